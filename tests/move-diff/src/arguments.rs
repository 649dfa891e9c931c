//! Random values, as BCS.

use crate::body::ADDRESSES;
use crate::dice::Dice;
use crate::world::{Shape, Ty, World};

/// BCS of a random value of a closed type.
///
/// # Panics
/// If the type has references or parameters.
#[must_use]
pub fn random(world: &World, ty: &Ty, dice: &mut Dice) -> Vec<u8> {
    let mut out = Vec::new();
    write(world, ty, dice, 3, &mut out);
    out
}

fn write(world: &World, ty: &Ty, dice: &mut Dice, fuel: u32, out: &mut Vec<u8>) {
    match ty {
        Ty::Bool => out.push(dice.below(2) as u8),
        Ty::Signer => {
            out.extend([0; 31]);
            out.push(ADDRESSES[0]);
        }
        Ty::Address => {
            out.extend([0; 31]);
            out.push(if dice.percent(70) { ADDRESSES[0] } else { *dice.pick(&ADDRESSES) });
        }
        Ty::Vector(element) => {
            let count = if fuel == 0 { 0 } else { dice.below(4) };
            out.push(count as u8);
            for _ in 0..count {
                write(world, element, dice, fuel - 1, out);
            }
        }
        Ty::Data(id, types) => match &world.datatypes[*id].shape {
            Shape::Struct(fields) => {
                fields
                    .iter()
                    .for_each(|field| write(world, &field.substitute(types), dice, fuel.saturating_sub(1), out));
            }
            Shape::Enum(variants) => {
                let variant = dice.index(variants.len());
                out.push(variant as u8);
                let fields = variants[variant].iter();
                fields.for_each(|field| write(world, &field.substitute(types), dice, fuel.saturating_sub(1), out));
            }
        },
        Ty::Ref(_) | Ty::MutRef(_) | Ty::Param(_) => panic!("not a closed type of values: {ty:?}"),
        _ if dice.percent(80) => {
            let mut bytes = [0; 32];
            bytes[0] = dice.below(10) as u8;
            out.extend(&bytes[..ty.bits() as usize / 8]);
        }
        _ => out.extend(&dice.interesting(ty.bits())[..ty.bits() as usize / 8]),
    }
}
