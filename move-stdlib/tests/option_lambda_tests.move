#[test_only]
module std::option_lambda_tests {
    use std::option::{Self, Option};

    struct Hard { n: u64 }

    fun none(): Option<u64> {
        option::none()
    }

    #[test]
    fun inline_functions_on_a_value() {
        let seen = 0;
        option::some(1).for_each(|x| seen = seen + x);
        option::some(2).for_each_ref(|x| seen = seen + *x);
        let o = option::some(3);
        o.for_each_mut(|x| *x = 4);
        assert!(seen == 3 && o == option::some(4));
        assert!(o.fold(10, |total, x| total + x) == 14);
        assert!(o.map(|x| x == 4) == option::some(true));
        assert!(o.map_ref(|x| *x + 1) == option::some(5));
        assert!(o.and_then(|x| if (x > 4) option::some(x) else option::none()) == none());
        assert!(o.or_else(|| option::some(9)) == option::some(4));
        assert!(o.filter(|x| *x == 4) == o && o.filter(|x| *x == 5) == none());
        assert!(o.any(|x| *x == 4) && !o.any(|x| *x == 5));
        option::some(Hard { n: 7 }).destroy(|h| {
            let Hard { n } = h;
            seen = n;
        });
        assert!(seen == 7);
        assert!(o.take() == option::some(4) && o.take() == none());
    }

    #[test]
    fun inline_functions_on_none() {
        none().for_each(|_x| abort 1);
        none().for_each_ref(|_x| abort 1);
        none().for_each_mut(|_x| abort 1);
        assert!(none().fold(10, |_total, x| x) == 10);
        assert!(none().map(|x| x) == none() && none().map_ref(|x| *x) == none());
        assert!(none().and_then(|x| option::some(x)) == none());
        assert!(none().or_else(|| option::some(9)) == option::some(9));
        assert!(none().filter(|_x| true) == none() && !none().any(|_x| true));
        none().destroy(|_x| abort 1);
    }

    #[test]
    fun macros_on_a_value() {
        let seen = 0;
        option::some(1).do!(|x| seen = seen + x);
        option::some(2).do_ref!(|x| seen = seen + *x);
        option::some(10).destroy!(|x| seen = seen + x);
        let o = option::some(3);
        o.do_mut!(|x| *x = 4);
        assert!(seen == 13 && o == option::some(4));
        assert!(o.or!(abort 1) == o);
        assert!(o.and!(|x| option::some(x + 1)) == option::some(5));
        assert!(o.and_ref!(|x| option::some(*x + 2)) == option::some(6));
        assert!(o.map!(|x| x == 4) == option::some(true) && o.map_ref!(|x| *x + 1) == option::some(5));
        assert!(o.filter!(|x| *x == 4) == o && o.filter!(|x| *x == 5) == none());
        assert!(o.is_some_and!(|x| *x == 4) && !o.is_some_and!(|x| *x == 5));
        assert!(o.is_none_or!(|x| *x == 4) && !o.is_none_or!(|x| *x == 5));
        assert!(o.destroy_or!(abort 1) == 4);
        assert!(o.extract_or!(abort 1) == 4 && o.is_none());
    }

    #[test]
    fun macros_on_none() {
        none().do!(|_x| assert!(false));
        none().do_ref!(|_x| assert!(false));
        none().do_mut!(|_x| assert!(false));
        none().destroy!(|_x| assert!(false));
        assert!(none().or!(option::some(1)) == option::some(1));
        assert!(none().and!(|x| option::some(x)) == none() && none().and_ref!(|x| option::some(*x)) == none());
        assert!(none().map!(|x| x) == none() && none().map_ref!(|x| *x) == none());
        assert!(none().filter!(|_x| true) == none());
        assert!(!none().is_some_and!(|_x| true) && none().is_none_or!(|_x| false));
        assert!(none().destroy_or!(5) == 5 && none().extract_or!(6) == 6);
    }
}
