//! Programs made to cost a machine more than they pay for.
//!
//! Each bomb is a module and a call that runs until its gas, or some limit, ends it. What must hold: it ends with the
//! status that is written beside it, in bounded memory, and its time for each unit of gas stays within ten times the
//! median of all.

use noema_bytecode::{AbilitySet, Bytecode as B, CompiledModule, DatatypeTypeParameter, StructDefIndex};
use noema_execution_api::StatusCode;
use noema_types::{Identifier, ModuleId};

use crate::builder::{Body, Builder};
use crate::generate::{Call, Program};
use crate::world::{Datatype, Function, Shape, Ty, World};

/// A program and how it must end.
#[derive(Debug, Clone)]
pub struct Bomb {
    /// What it tries.
    pub name: &'static str,
    /// The program: one call.
    pub program: Program,
    /// How it ends; `None` with results.
    pub status: Option<StatusCode>,
    /// Gas it is given.
    pub gas: u64,
}

/// Gas of a bomb, unless it says otherwise: enough for some tenths of a second.
pub const GAS: u64 = 100_000_000;

struct Maker {
    world: World,
    builder: Builder,
    id: ModuleId,
}

impl Maker {
    fn new() -> Self {
        let id: ModuleId = "0x42::bomb".parse().expect("a module's name");
        Self { world: World::default(), builder: Builder::new(&id), id }
    }

    fn structure(&mut self, name: &str, params: u16, fields: Vec<Ty>) -> (usize, StructDefIndex) {
        let parameter = DatatypeTypeParameter { constraints: AbilitySet::EMPTY, is_phantom: false };
        self.world.datatypes.push(Datatype {
            module: self.id.clone(),
            name: Identifier::new(name).expect("a word"),
            abilities: AbilitySet::PRIMITIVES,
            params: vec![parameter; usize::from(params)],
            shape: Shape::Struct(fields),
        });
        let id = self.world.datatypes.len() - 1;
        self.builder.define(&self.world, id);
        (id, self.builder.struct_def(id).expect("just defined"))
    }

    fn declare(&self, name: &str, type_params: usize, params: Vec<Ty>, results: Vec<Ty>) -> Function {
        Function {
            module: self.id.clone(),
            name: Identifier::new(name).expect("a word"),
            type_params: vec![AbilitySet::PRIMITIVES; type_params],
            params,
            results,
            is_recursive: false,
        }
    }

    fn define(&mut self, function: &Function, locals: Vec<Ty>, code: Vec<B>) {
        self.builder.define_function(&self.world, function, &Body { locals, code, jump_tables: Vec::new() });
    }

    /// `fun run()` with this code.
    fn finish(mut self, name: &'static str, locals: Vec<Ty>, code: Vec<B>, status: Option<StatusCode>) -> Bomb {
        let run = self.declare("run", 0, vec![], vec![]);
        self.define(&run, locals, code);
        Bomb { name, program: program(self.builder.module), status, gas: GAS }
    }
}

fn program(module: CompiledModule) -> Program {
    let call = Call {
        module: module.self_id(),
        function: Identifier::new("run").expect("a word"),
        type_args: vec![],
        args: vec![],
    };
    Program { modules: vec![module], state: vec![], calls: vec![call] }
}

/// `before; loop { body }`.
fn endless(before: Vec<B>, body: Vec<B>) -> Vec<B> {
    let head = before.len() as u16;
    let mut code = before;
    // A loop that is left for the verifier's sake only.
    code.push(B::LdTrue);
    let exit = code.len();
    code.push(B::BrFalse(0));
    code.extend(body);
    code.push(B::Branch(head));
    code[exit] = B::BrFalse(code.len() as u16);
    code.push(B::Ret);
    code
}

/// All of them.
#[must_use]
pub fn all() -> Vec<Bomb> {
    vec![
        plain_loop(),
        calls(),
        exponential_types(),
        wide_values(9),
        wide_values(10),
        deep_recursion(),
        vector_doubling(),
        nested_copies(),
        large_equality(),
        long_block(),
        wide_division(),
        deep_values(),
        element_pushes(),
        small_vectors(),
        generic_calls(),
        byte_copies(),
        field_chain(),
    ]
}

/// What the others are measured against: sums in a loop.
fn plain_loop() -> Bomb {
    let body = vec![B::CopyLoc(0), B::LdU64(1), B::Add, B::LdU64(0xffff), B::BitAnd, B::StLoc(0)];
    let code = endless(vec![B::LdU64(0), B::StLoc(0)], body);
    Maker::new().finish("plain loop", vec![Ty::U64], code, Some(StatusCode::OUT_OF_GAS))
}

fn calls() -> Bomb {
    let mut maker = Maker::new();
    let callee = maker.declare("id", 0, vec![Ty::U64], vec![Ty::U64]);
    maker.define(&callee, vec![], vec![B::MoveLoc(0), B::Ret]);
    let handle = maker.builder.function(&maker.world, &callee);
    let code = endless(vec![], vec![B::LdU64(1), B::Call(handle), B::Pop]);
    maker.finish("calls", vec![], code, Some(StatusCode::OUT_OF_GAS))
}

/// `f<T> -> g<P<T, T>> -> ...`: types of 2^n nodes from n functions.
fn exponential_types() -> Bomb {
    let mut maker = Maker::new();
    let (pair, _) = maker.structure("P", 2, vec![Ty::U64]);
    let mut next = maker.declare("f0", 1, vec![], vec![]);
    maker.define(&next.clone(), vec![], vec![B::Ret]);
    for at in 1..30 {
        let doubled = Ty::Data(pair, vec![Ty::Param(0), Ty::Param(0)]);
        let instance = maker.builder.function_of(&maker.world, &next, &[doubled]);
        next = maker.declare(&format!("f{at}"), 1, vec![], vec![]);
        maker.define(&next.clone(), vec![], vec![B::CallGeneric(instance), B::Ret]);
    }
    let instance = maker.builder.function_of(&maker.world, &next, &[Ty::U64]);
    maker.finish(
        "exponential types",
        vec![],
        vec![B::CallGeneric(instance), B::Ret],
        Some(StatusCode::VM_MAX_TYPE_NODES_REACHED),
    )
}

/// Copies of a struct around the border of what fits into a frame: `fields` fields of 7 words.
fn wide_values(fields: usize) -> Bomb {
    let mut maker = Maker::new();
    let (inner, inner_def) = maker.structure("I", 0, vec![Ty::U64; 7]);
    let (_, outer_def) = maker.structure("O", 0, vec![Ty::Data(inner, vec![]); fields]);
    let outer = Ty::Data(1, vec![]);
    let mut before = Vec::new();
    for _ in 0..fields {
        before.extend((0..7).map(B::LdU64));
        before.push(B::Pack(inner_def));
    }
    before.extend([B::Pack(outer_def), B::StLoc(0)]);
    let code = endless(before, vec![B::CopyLoc(0), B::StLoc(1), B::CopyLoc(1), B::Pop]);
    let name = if fields < 10 { "copies of 63 words" } else { "copies of 70 words" };
    maker.finish(name, vec![outer.clone(), outer], code, Some(StatusCode::OUT_OF_GAS))
}

/// Frames with many wide locals, as deep as they go, again and again.
fn deep_recursion() -> Bomb {
    let mut maker = Maker::new();
    let down = maker.declare("down", 0, vec![Ty::U64], vec![]);
    let handle = maker.builder.function(&maker.world, &down);
    let code = vec![
        B::CopyLoc(0),
        B::LdU64(0),
        B::Eq,
        B::BrFalse(5),
        B::Ret,
        B::LdU256(Box::default()),
        B::StLoc(1),
        B::MoveLoc(0),
        B::LdU64(1),
        B::Sub,
        B::Call(handle),
        B::Ret,
    ];
    maker.define(&down, vec![Ty::U256; 120], code);
    let code = endless(vec![], vec![B::LdU64(1000), B::Call(handle)]);
    maker.finish("deep recursion with fat frames", vec![], code, Some(StatusCode::OUT_OF_GAS))
}

/// `v = [v, v]` by pushing a copy of each element: doubles until memory is refused.
fn vector_doubling() -> Bomb {
    let mut maker = Maker::new();
    let bytes = Ty::U8.vector();
    let outer = bytes.clone().vector();
    let inner = maker.builder.signature(&maker.world, std::slice::from_ref(&bytes));
    let constant = maker.builder.constant(&maker.world, &bytes, [vec![100], vec![7; 100]].concat());
    let before = vec![B::LdConst(constant), B::VecPack(inner, 1), B::StLoc(0)];
    // push(v, bcs-like copy): element 0 doubles by appending is not an instruction, so copies of the whole are kept.
    let nested = maker.builder.signature(&maker.world, std::slice::from_ref(&outer));
    let mut before = before;
    before.extend([B::VecPack(nested, 0), B::StLoc(1)]);
    let body = vec![
        B::MutBorrowLoc(1),
        B::CopyLoc(0),
        B::VecPushBack(nested),
        // v.push(v[0])
        B::ImmBorrowLoc(0),
        B::LdU64(0),
        B::VecImmBorrow(inner),
        B::ReadRef,
        B::StLoc(2),
        B::MutBorrowLoc(0),
        B::MoveLoc(2),
        B::VecPushBack(inner),
    ];
    let code = endless(before, body);
    let mut bomb = maker.finish(
        "vectors that grow",
        vec![outer.clone(), outer.vector(), bytes],
        code,
        Some(StatusCode::MEMORY_LIMIT_EXCEEDED),
    );
    bomb.gas = 100 * GAS;
    bomb
}

/// Copies of `vector<vector<vector<u64>>>`.
fn nested_copies() -> Bomb {
    let mut maker = Maker::new();
    let one = Ty::U64.vector();
    let two = one.clone().vector();
    let three = two.clone().vector();
    let of_word = maker.builder.signature(&maker.world, &[Ty::U64]);
    let of_one = maker.builder.signature(&maker.world, &[one]);
    let of_two = maker.builder.signature(&maker.world, std::slice::from_ref(&two));
    let mut before = Vec::new();
    for _ in 0..6 {
        for _ in 0..6 {
            before.extend((0..6).map(B::LdU64));
            before.push(B::VecPack(of_word, 6));
        }
        before.push(B::VecPack(of_one, 6));
    }
    before.extend([B::VecPack(of_two, 6), B::StLoc(0)]);
    let code = endless(before, vec![B::CopyLoc(0), B::Pop]);
    maker.finish("copies of nested vectors", vec![three], code, Some(StatusCode::OUT_OF_GAS))
}

/// `v == v` for a vector of 30,000 bytes, by reference.
fn large_equality() -> Bomb {
    let mut maker = Maker::new();
    let bytes = Ty::U8.vector();
    let mut data = vec![0xb0, 0xea, 0x01];
    data.extend(vec![3; 30_000]);
    let constant = maker.builder.constant(&maker.world, &bytes, data);
    let before = vec![B::LdConst(constant), B::StLoc(0)];
    let code = endless(before, vec![B::ImmBorrowLoc(0), B::ImmBorrowLoc(0), B::Eq, B::Pop]);
    maker.finish("equality of large values", vec![bytes], code, Some(StatusCode::OUT_OF_GAS))
}

/// As long as a function may be, in blocks as long as they may be.
fn long_block() -> Bomb {
    let mut code = vec![B::LdU64(1), B::StLoc(0)];
    while code.len() < 65_520 {
        // A block may push 10,000 values.
        if code.len() % 9_000 < 4 {
            code.extend([B::LdTrue, B::Pop, B::Nop]);
            let next = code.len() as u16 + 1;
            code.push(B::Branch(next));
        }
        code.extend([B::CopyLoc(0), B::StLoc(0)]);
    }
    code.push(B::Branch(2));
    let mut bomb =
        Maker::new().finish("blocks of 9,000 instructions", vec![Ty::U64], code, Some(StatusCode::OUT_OF_GAS));
    bomb.gas = 10 * GAS / 2;
    bomb
}

fn wide_division() -> Bomb {
    let large = noema_types::U256::MAX;
    let divisor = large >> 100;
    let body = vec![B::LdU256(Box::new(large)), B::LdU256(Box::new(divisor)), B::Div, B::Pop];
    Maker::new().finish("division of 256 bits", vec![], endless(vec![], body), Some(StatusCode::OUT_OF_GAS))
}

/// Structs in structs, as deep as types go, packed and dropped.
fn deep_values() -> Bomb {
    let mut maker = Maker::new();
    let mut ty = Ty::U64;
    let mut defs = Vec::new();
    for at in 0..14 {
        let (id, def) = maker.structure(&format!("D{at}"), 0, vec![ty, Ty::U64]);
        ty = Ty::Data(id, vec![]);
        defs.push(def);
    }
    let mut body = vec![B::LdU64(0)];
    for def in defs {
        body.extend([B::LdU64(1), B::Pack(def)]);
    }
    body.push(B::Pop);
    maker.finish("structs 14 deep", vec![], endless(vec![], body), Some(StatusCode::OUT_OF_GAS))
}

fn element_pushes() -> Bomb {
    let mut maker = Maker::new();
    let of_word = maker.builder.signature(&maker.world, &[Ty::U64]);
    let before = vec![B::VecPack(of_word, 0), B::StLoc(0)];
    let body = vec![
        B::MutBorrowLoc(0),
        B::LdU64(1),
        B::VecPushBack(of_word),
        B::MutBorrowLoc(0),
        B::VecPopBack(of_word),
        B::Pop,
        B::ImmBorrowLoc(0),
        B::VecLen(of_word),
        B::Pop,
    ];
    maker.finish("pushes and pops", vec![Ty::U64.vector()], endless(before, body), Some(StatusCode::OUT_OF_GAS))
}

/// An allocation for every few instructions.
fn small_vectors() -> Bomb {
    let mut maker = Maker::new();
    let of_word = maker.builder.signature(&maker.world, &[Ty::U64]);
    let body = vec![B::LdU64(1), B::VecPack(of_word, 1), B::StLoc(0)];
    let mut bomb =
        maker.finish("small vectors", vec![Ty::U64.vector()], endless(vec![], body), Some(StatusCode::OUT_OF_GAS));
    bomb.gas = GAS;
    bomb
}

fn generic_calls() -> Bomb {
    let mut maker = Maker::new();
    let (wrap, _) = maker.structure("W", 1, vec![Ty::Param(0)]);
    let callee = maker.declare("id", 1, vec![], vec![]);
    maker.define(&callee, vec![], vec![B::Ret]);
    let mut ty = Ty::U64;
    for _ in 0..10 {
        ty = Ty::Data(wrap, vec![ty]);
    }
    let instance = maker.builder.function_of(&maker.world, &callee, &[ty]);
    let code = endless(vec![], vec![B::CallGeneric(instance)]);
    maker.finish("generic calls", vec![], code, Some(StatusCode::OUT_OF_GAS))
}

fn byte_copies() -> Bomb {
    let mut maker = Maker::new();
    let bytes = Ty::U8.vector();
    let constant = maker.builder.constant(&maker.world, &bytes, [vec![0xe8, 7], vec![3; 1_000]].concat());
    let before = vec![B::LdConst(constant), B::StLoc(0)];
    let code = endless(before, vec![B::CopyLoc(0), B::Pop]);
    maker.finish("copies of 1,000 bytes", vec![bytes], code, Some(StatusCode::OUT_OF_GAS))
}

fn field_chain() -> Bomb {
    let mut maker = Maker::new();
    let (inner, inner_def) = maker.structure("A", 0, vec![Ty::U64, Ty::U64]);
    let (_, outer_def) = maker.structure("B", 0, vec![Ty::Data(inner, vec![]), Ty::U64]);
    let first = maker.builder.field(outer_def, 0);
    let second = maker.builder.field(inner_def, 1);
    let before = vec![B::LdU64(1), B::LdU64(2), B::Pack(inner_def), B::LdU64(3), B::Pack(outer_def), B::StLoc(0)];
    let body = vec![B::LdU64(7), B::MutBorrowLoc(0), B::MutBorrowField(first), B::MutBorrowField(second), B::WriteRef];
    maker.finish(
        "writes to fields of fields",
        vec![Ty::Data(1, vec![])],
        endless(before, body),
        Some(StatusCode::OUT_OF_GAS),
    )
}
