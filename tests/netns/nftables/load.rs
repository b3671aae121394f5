//! Tables go in and read back as they were asked for.

use super::*;

#[test]
fn random_tables_load_and_read_back_equal() {
    in_namespace(|| {
        let mut kernel = Nftables::default();
        let (none, generation) = kernel.table();
        assert_eq!(none, None);
        assert!(generation.is_some());
        for seed in 0..300 {
            let table = random::table(&mut Rng::new(seed));
            let wanted = op(table);
            if let Err(error) = kernel.apply(&wanted) {
                panic!("{seed}: {error}\n{:#?}", wanted.table);
            }
            let seen = seen(&mut kernel);
            assert_eq!(Some(&seen.table), wanted.table.as_deref(), "{seed}");
            assert!(!seen.foreign, "{seed}");
        }
    });
}
