use super::*;

#[test]
fn bench() {
    let text = std::fs::read_to_string("/work/shared/bench/bench.move").unwrap();
    let signer = std::fs::read_to_string("/work/main/move-stdlib/sources/signer.move").unwrap();
    let root = SourcePackage {
        name: "bench".into(),
        sources: vec![("bench.move".into(), text)],
        addresses: [("std".to_string(), Address::from_u8(1))].into(),
    };
    let std = std::fs::read_dir("/work/main/move-stdlib/sources").unwrap().map(|e| {
        let p = e.unwrap().path();
        (p.display().to_string(), std::fs::read_to_string(&p).unwrap())
    }).collect();
    let dep = SourcePackage { name: "MoveStdlib".into(), sources: std, addresses: root.addresses.clone() };
    let _ = signer;
    match compile_sources(&root, &[dep], Options::default()) {
        Ok(program) => {
            for unit in &program.modules {
                if unit.is_target { println!("{}", noema_bytecode::disassemble(&unit.module)); }
            }
        }
        Err(failure) => panic!("{failure}"),
    }
}
