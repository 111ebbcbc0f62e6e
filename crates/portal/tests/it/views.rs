//! What pages show of an estate.

use azure::{Kind, sketch::Sketch};
use explain::Role;
use network::Network;
use portal::view::{
    cluster, clusters, matrix, path, picture,
    seen::{Mark, Seen},
};

use crate::stage::{self, article};

fn network(sketch: &Sketch) -> Network {
    Network::compile(&sketch.estate())
}

#[test]
fn the_overview_shows_which_address_why_and_who_can_resolve_it() {
    let network = network(&article());
    let mut told = String::new();
    for name in ["a", "b"] {
        let view = cluster::overview(&network, &stage::cluster(name)).unwrap();
        told += &format!("{name} shows {} because {}\n", view.shown.unwrap(), view.because.sentence());
        for address in view.addresses {
            told += &format!(
                "  {:?} {}: public DNS {:?}, zone {:?} for {:?}{}\n",
                address.role,
                address.name,
                address.in_public_dns,
                address.in_zone,
                address.resolved_in.iter().map(azure::ResourceId::name).collect::<Vec<_>>(),
                if address.in_kubeconfig { ", in the kubeconfig" } else { "" }
            );
        }
        for seen in view.seen {
            told += &format!("  {}: {:?}, {:?}: {:?}\n", seen.vantage, seen.private, seen.public, seen.verdict);
        }
    }
    insta::assert_snapshot!(told);
}

#[test]
fn the_list_is_searched_by_every_word() {
    let network = network(&article());
    assert_eq!(clusters::list(&network, "").len(), 2);
    assert_eq!(clusters::list(&network, "RG privatelink").len(), 1, "only b shows a private name");
    assert!(clusters::list(&network, "nothing").is_empty());
}

#[test]
fn clusters_that_look_alike_are_one_row_of_the_matrix() {
    let sketch = (0..40).fold(article(), |sketch, index| {
        let name = format!("n{index}");
        sketch.network(&name, &format!("10.{}.0.0/16", 30 + index)).private_cluster(
            &format!("c{index}"),
            &name,
            &format!("10.{}.0.4", 30 + index),
            index % 2 == 0,
        )
    });
    let network = network(&sketch);
    let filter = matrix::Filter { vantage: "internet".to_owned(), ..matrix::Filter::default() };
    let all = explain::Matrix::new(&network);
    let view = matrix::page(&network, &all, &filter);
    assert_eq!((view.clusters_found, view.columns.len()), (42, 1));
    let sizes: Vec<usize> = view.rows.iter().map(|row| row.clusters.len()).collect();
    assert_eq!(sizes, [21, 21], "with and without a public FQDN");
    let connects = matrix::Filter { outcome: Some(explain::Verdict::Connects), ..filter };
    assert!(matrix::page(&network, &all, &connects).rows.is_empty(), "nobody connects from the Internet");

    let wide = matrix::page(&network, &all, &matrix::Filter::default());
    assert!(wide.columns.len() <= matrix::COLUMNS_SHOWN && wide.columns_found > wide.columns.len());
    for row in wide.rows {
        for (places, cell) in wide.columns.iter().zip(&row.cells) {
            for cluster in &row.clusters {
                let seen = Seen::of(&explain::explain(&network, &places[0], cluster).unwrap());
                assert_eq!(cell.verdict, seen.verdict);
                assert_eq!(cell.cause, seen.cause.map(|(code, _)| code));
                assert_eq!(
                    (is_reached(&cell.private), is_reached(&cell.public)),
                    (is_reached(&seen.private), is_reached(&seen.public))
                );
            }
        }
    }
}

fn is_reached(mark: &Mark) -> bool {
    matches!(mark, Mark::Connects(_))
}

#[test]
fn a_path_is_told_step_by_step_and_a_what_if_says_for_whom_it_changes() {
    let network = network(&article());
    let (laptop, b) = (network.find_vantage("laptop").unwrap(), stage::cluster("b"));
    let now = path::path(&network, laptop, &b, Role::PrivateFqdn).unwrap();
    assert!(!now.connects && !now.fixes.is_empty());
    let offers = path::offers(&network, laptop, &b);
    let offer = offers.iter().find(|offer| offer.key() == "enable the public FQDN of b").unwrap();
    let difference = path::what_if(&network, laptop, &b, Role::PublicFqdn, offer).unwrap();
    assert!(difference.path.unwrap().connects, "the VPN client connects by it");
    let changed: Vec<String> = difference.changed.iter().map(|(before, _)| before.vantage.name()).collect();
    assert!(changed.contains(&"laptop".to_owned()), "{changed:?}");
    insta::assert_debug_snapshot!(now.steps);
}

#[test]
fn the_picture_groups_spokes_around_hubs_and_nothing_overlaps_nor_goes_behind_a_box() {
    let spokes = (0..490).fold(Sketch::new().network("hub", "10.0.0.0/16"), |sketch, index| {
        let (name, hub) = (format!("spoke{index}"), if index % 3 == 0 { "hub-2" } else { "hub" });
        let sketch = if index == 0 { sketch.network("hub-2", "10.255.0.0/16").peering("hub", "hub-2") } else { sketch };
        sketch.network(&name, &format!("10.{}.{}.0/24", 1 + index / 250, index % 250)).peering(hub, &name)
    });
    let large = (0..9).fold(spokes, |sketch, index| sketch.network(&format!("alone{index}"), "192.168.0.0/24"));
    for sketch in [article(), large] {
        let network = network(&sketch);
        let view = picture::picture(&network, &[]);
        assert_eq!(view, picture::picture(&network, &[]), "no chance in it");
        let boxed = |kind: Kind| network.estate().of_kind(kind).count();
        let outside = network.vantages().iter().filter(|vantage| picture::is_outside(vantage)).count();
        assert_eq!(view.nodes.len(), boxed(Kind::VirtualNetwork) + boxed(Kind::PrivateDnsZone) + outside + 2);
        for (index, one) in view.nodes.iter().enumerate() {
            assert!(one.x + one.w <= view.width && one.y + one.h <= view.height, "{} sticks out", one.title);
            for other in &view.nodes[index + 1..] {
                let apart = one.x + one.w <= other.x
                    || other.x + other.w <= one.x
                    || one.y + one.h <= other.y
                    || other.y + other.h <= one.y;
                assert!(apart, "{} is under {}", one.title, other.title);
            }
        }
        for line in &view.lines {
            for leg in line.points.windows(2) {
                let [(ax, ay), (bx, by)] = *leg else { unreachable!() };
                assert!(ax == bx || ay == by, "{line:?} slants");
                let behind = |node: &&picture::Node| {
                    ax.min(bx) < node.x + node.w
                        && node.x < ax.max(bx)
                        && ay.min(by) < node.y + node.h
                        && node.y < ay.max(by)
                };
                let hidden = view.nodes.iter().find(behind);
                assert!(hidden.is_none(), "{line:?} goes behind {hidden:?}");
            }
        }
        let ratio = f64::from(view.width) / f64::from(view.height);
        assert!((0.4..4.0).contains(&ratio), "{}×{}", view.width, view.height);
    }
}
