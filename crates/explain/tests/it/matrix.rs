//! The matrix by classes says of every pair what asking that pair says.

use azure::Change;
use explain::{Matrix, Verdict, matrix};
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
        for vantage in class.vantages.iter() {
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
        let next = network.advance(&estate, changes.iter().map(Change::id));
        let followed = Matrix::new(&network).advance(&network, &next);
        prop_assert_eq!(followed.rows(None, None), Matrix::new(&next).rows(None, None));
    }

    /// Resource by resource, there and back, each step from the matrix of the step before.
    #[test]
    fn a_matrix_follows_many_changes_of_one_resource(pieces in pieces(), after in pieces(), order in any::<u64>()) {
        let (before, whole) = (sketch(&pieces), sketch(&[&pieces[..], &after[..2]].concat()));
        let mut network = Network::compile(&before.estate());
        let mut matrix = Matrix::new(&network);
        let resources: Vec<_> = whole.estate().iter().cloned().collect();
        let mut seed = order;
        for revision in 2..24 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            let resource = &resources[usize::try_from(seed >> 33).unwrap() % resources.len()];
            let there = network.estate().get(resource.id()) == Some(resource);
            let change =
                if there { Change::Delete(resource.id().clone()) } else { Change::Put(resource.clone()) };
            let estate = network.estate().apply(revision, [&change]);
            let next = network.advance(&estate, [change.id()]);
            matrix = matrix.advance(&network, &next);
            network = next;
            prop_assert_eq!(matrix.rows(None, None), Matrix::new(&network).rows(None, None), "after {:?}", change);
        }
        for class in matrix.classes() {
            let failing: Vec<_> = matrix.having(class, |outcome| outcome.verdict == Verdict::Fails);
            let asked = network.clusters().keys().filter_map(|id| Some((id, matrix.outcome(class, id)?)));
            let asked: Vec<_> = asked.filter(|(_, outcome)| outcome.verdict == Verdict::Fails).collect();
            prop_assert_eq!(failing, asked);
        }
    }
}
