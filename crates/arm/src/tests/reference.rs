//! Random requests and restarts, against a reference that is two maps.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::Lab;
use crate::Pace;

/// One thing a client does: two groups, two resources in each.
#[derive(Debug, Clone)]
enum Act {
    PutGroup(u8),
    DeleteGroup(u8),
    Put(u8, u8, u8),
    Tag(u8, u8, u8),
    Delete(u8, u8),
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    let (group, name, value) = (0..2_u8, 0..2_u8, any::<u8>());
    prop_oneof![
        3 => group.clone().prop_map(Act::PutGroup),
        1 => group.clone().prop_map(Act::DeleteGroup),
        5 => (group.clone(), name.clone(), value).prop_map(|(g, n, v)| Act::Put(g, n, v)),
        2 => (group.clone(), name.clone(), value).prop_map(|(g, n, v)| Act::Tag(g, n, v)),
        2 => (group, name).prop_map(|(g, n)| Act::Delete(g, n)),
        1 => Just(Act::Restart),
    ]
}

/// What the reference knows of a resource: its value and its tag.
type Reference = BTreeMap<u8, BTreeMap<u8, (u8, Option<u8>)>>;

async fn do_and_compare(mut lab: Lab, acts: Vec<Act>) {
    let mut groups = Reference::new();
    let path = |group: u8, name: u8| format!("/resourceGroups/g{group}/providers/Microsoft.Odd/things/n{name}");
    for act in acts {
        match act {
            Act::PutGroup(group) => {
                let expected = if groups.contains_key(&group) { 200 } else { 201 };
                assert_eq!(lab.group(&format!("g{group}")).await.status, expected);
                groups.entry(group).or_default();
            }
            Act::DeleteGroup(group) => {
                let expected = if groups.remove(&group).is_some() { 200 } else { 404 };
                assert_eq!(lab.delete(&format!("/resourceGroups/g{group}")).await.status, expected);
            }
            Act::Put(group, name, value) => {
                let answer =
                    lab.put(&path(group, name), json!({"location": "uksouth", "properties": {"value": value}})).await;
                let Some(resources) = groups.get_mut(&group) else {
                    assert_eq!(answer.code(), (404, "ResourceGroupNotFound"));
                    continue;
                };
                let before = resources.get(&name).copied();
                assert_eq!(answer.status, if before.is_some() { 200 } else { 201 });
                resources.insert(name, (value, before.and_then(|(_, tag)| tag)));
            }
            Act::Tag(group, name, tag) => {
                let answer = lab.send("PATCH", &path(group, name), json!({"tags": {"t": tag.to_string()}}), &[]).await;
                match groups.get_mut(&group).and_then(|resources| resources.get_mut(&name)) {
                    Some(resource) => {
                        assert_eq!(answer.status, 200);
                        resource.1 = Some(tag);
                    }
                    None => assert_eq!(answer.status, 404),
                }
            }
            Act::Delete(group, name) => {
                let expected = if groups.contains_key(&group) { 204 } else { 404 };
                assert_eq!(lab.delete(&path(group, name)).await.status, expected);
                if let Some(resources) = groups.get_mut(&group) {
                    resources.remove(&name);
                }
            }
            Act::Restart => lab = lab.restarted(Pace::Instant).await,
        }
        let mut found = Reference::new();
        for group in lab.get("/resourceGroups").await.names() {
            found.insert(group[1..].parse().unwrap(), BTreeMap::new());
        }
        for one in lab.get("/providers/Microsoft.Odd/things").await.body["value"].as_array().unwrap() {
            let id: azure::ResourceId = one["id"].as_str().unwrap().parse().unwrap();
            let value = u8::try_from(one["properties"]["value"].as_u64().unwrap()).unwrap();
            let tag = one["tags"]["t"].as_str().map(|tag| tag.parse().unwrap());
            let group: u8 = id.group_name().unwrap()[1..].parse().unwrap();
            found.get_mut(&group).unwrap().insert(id.name()[1..].parse().unwrap(), (value, tag));
        }
        assert_eq!(found, groups);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn what_is_listed_is_what_was_put_and_not_deleted(acts in prop::collection::vec(act(), 1..30)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { do_and_compare(Lab::new(Pace::Instant).await, acts).await });
    }
}
