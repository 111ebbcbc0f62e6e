//! The matrix by classes says of every pair what asking that pair says.

use explain::{Matrix, matrix};
use network::Network;
use proptest::prelude::*;

use crate::{
    random::{pieces, sketch},
    stage::article,
};

fn agree(network: &Network) -> Result<(), String> {
    let matrix = Matrix::new(network);
    let mut pairs = 0;
    for class in matrix.classes() {
        for vantage in &class.vantages {
            for cluster in network.clusters().keys() {
                let (quick, full) = (matrix.outcome(class, cluster), matrix::outcome(network, vantage, cluster));
                if quick != full {
                    return Err(format!("{vantage:?} to {cluster}: {quick:?}, asked by itself {full:?}"));
                }
                pairs += 1;
            }
        }
    }
    let all = network.vantages().len() * network.clusters().len();
    if pairs == all { Ok(()) } else { Err(format!("{pairs} pairs of {all}")) }
}

#[test]
fn the_article_by_classes_and_by_pairs() {
    let network = Network::compile(&article().estate());
    agree(&network).unwrap();
    insta::assert_snapshot!(explain::render::table::matrix(&Matrix::new(&network).rows(None, None)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn classes_answer_as_every_pair_does(pieces in pieces()) {
        let network = Network::compile(&sketch(&pieces).estate());
        if let Err(difference) = agree(&network) {
            prop_assert!(false, "{}", difference);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn a_matrix_follows_a_change(pieces in pieces(), after in pieces()) {
        let (before, whole) = (sketch(&pieces), sketch(&[&pieces[..], &after[..2]].concat()));
        let network = Network::compile(&before.estate());
        let changes = &whole.changes()[before.changes().len()..];
        let estate = network.estate().apply(2, changes);
        let next = network.advance(&estate, changes.iter().map(azure::Change::id));
        let followed = Matrix::new(&network).advance(&network, &next);
        prop_assert_eq!(followed.rows(None, None), Matrix::new(&next).rows(None, None));
    }
}
