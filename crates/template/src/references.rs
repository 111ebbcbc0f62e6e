//! Ids, scopes and the state of resources, and the arithmetic of address prefixes.

use std::net::Ipv4Addr;

use azure::ResourceId;
use ipnet::Ipv4Net;
use serde_json::{Value, json};

use super::{Problem, arguments::Arguments, evaluate::Scope};

/// The functions of this file. `None` for a name it does not know.
pub(super) fn call(scope: &Scope<'_>, lower: &str, arguments: &Arguments<'_>) -> Option<Result<Value, Problem>> {
    let of = |least: usize, most: usize, value: &dyn Fn() -> Result<Value, Problem>| {
        Some(arguments.count(least, most).and_then(|()| value()))
    };
    let id = |id: Result<ResourceId, Problem>| id.map(|id| json!(id));
    match lower {
        "resourceid" => of(2, usize::MAX, &|| id(resource_id(scope, arguments))),
        "subscriptionresourceid" => of(2, usize::MAX, &|| {
            let given = texts(arguments)?;
            let (subscription, rest) = match given.as_slice() {
                [first, rest @ ..] if !first.contains('/') => (*first, rest),
                rest => (scope.world.scope().subscription().unwrap_or_default(), rest),
            };
            id(below(ResourceId::subscription_scope(subscription).as_str(), rest, arguments))
        }),
        "tenantresourceid" => of(2, usize::MAX, &|| id(below("", &texts(arguments)?, arguments))),
        "extensionresourceid" => of(3, usize::MAX, &|| {
            let given = texts(arguments)?;
            let (scope, rest) = given.split_first().unwrap_or((&"", &[]));
            id(below(scope, rest, arguments))
        }),
        "resourcegroup" => of(0, 0, &|| scope.world.resource_group()),
        "subscription" => of(0, 0, &|| Ok(scope.world.subscription())),
        "tenant" => of(0, 0, &|| Ok(scope.world.tenant())),
        "environment" => of(0, 0, &|| Ok(scope.world.environment())),
        "deployment" => of(0, 0, &|| Ok(scope.world.deployment())),
        "reference" => of(1, 3, &|| reference(scope, arguments)),
        "cidrsubnet" => of(3, 3, &|| cidr_subnet(arguments)),
        "cidrhost" => of(2, 2, &|| cidr_host(arguments)),
        "parsecidr" => of(1, 1, &|| parse_cidr(arguments)),
        name if name.starts_with("list") && name.len() > "list".len() => of(1, 3, &|| {
            let id = target(scope, arguments)?;
            let body = arguments.values.get(2).cloned().unwrap_or_else(|| json!({}));
            scope.world.list(&id, name, body)
        }),
        _ => None,
    }
}

fn texts<'a>(arguments: &'a Arguments<'_>) -> Result<Vec<&'a str>, Problem> {
    (0..arguments.values.len()).map(|at| arguments.text(at)).collect()
}

/// `resourceId([subscription], [group], type, name, …)`.
fn resource_id(scope: &Scope<'_>, arguments: &Arguments<'_>) -> Result<ResourceId, Problem> {
    let given = texts(arguments)?;
    let at = given.iter().take(3).position(|text| text.contains('/')).ok_or_else(|| {
        arguments.invalid("The type must be fully qualified, such as 'Microsoft.Network/virtualNetworks'.")
    })?;
    let world = scope.world.scope();
    let subscription = world.subscription().unwrap_or_default();
    let base = match &given[..at] {
        [] => world.clone(),
        [group] => ResourceId::group(subscription, group),
        [subscription, group, ..] => ResourceId::group(subscription, group),
    };
    below(base.as_str(), &given[at..], arguments)
}

/// `<scope>/providers/<type with names>`: one name for each part of the type behind the namespace.
fn below(scope: &str, given: &[&str], arguments: &Arguments<'_>) -> Result<ResourceId, Problem> {
    let (resource_type, names) = given.split_first().unwrap_or((&"", &[]));
    let names: Vec<&str> = names.iter().flat_map(|name| name.split('/')).collect();
    resource_path(scope, resource_type, &names).ok_or_else(|| {
        arguments.invalid(format!(
            "The type '{resource_type}' requires '{}' resource name argument(s).",
            resource_type.matches('/').count()
        ))
    })
}

/// The id of a resource by its full type and its names.
pub(super) fn resource_path(scope: &str, resource_type: &str, names: &[&str]) -> Option<ResourceId> {
    let (namespace, types) = resource_type.trim_matches('/').split_once('/')?;
    let types: Vec<&str> = types.split('/').collect();
    if types.len() != names.len() {
        return None;
    }
    let pairs = types.iter().zip(names).fold(String::new(), |path, (part, name)| format!("{path}/{part}/{name}"));
    ResourceId::parse(&format!("{}/providers/{namespace}{pairs}", scope.trim_end_matches('/'))).ok()
}

/// The resource that `reference` or `list…` is about: an id, or a name of the template's.
fn target(scope: &Scope<'_>, arguments: &Arguments<'_>) -> Result<ResourceId, Problem> {
    if !scope.runtime {
        return Err(Problem::new(format!(
            "The template function '{}' is not expected at this location. Please see https://aka.ms/arm-functions for usage details.",
            arguments.function
        )));
    }
    let text = arguments.text(0)?;
    if text.starts_with('/') {
        return ResourceId::parse(text).map_err(|_| arguments.wrong(0, "a resource id or the name of a resource"));
    }
    scope.inputs.named(text).ok_or_else(|| {
        Problem::new(format!(
            "The resource '{text}' is not defined in the template. Please see https://aka.ms/arm-template for usage details."
        ))
    })
}

fn reference(scope: &Scope<'_>, arguments: &Arguments<'_>) -> Result<Value, Problem> {
    let id = target(scope, arguments)?;
    let full = arguments.values.get(2).and_then(Value::as_str).is_some_and(|word| word.eq_ignore_ascii_case("full"));
    scope.world.reference(&id, full)
}

fn prefix(arguments: &Arguments<'_>) -> Result<Ipv4Net, Problem> {
    arguments.text(0)?.parse().map_err(|_| arguments.wrong(0, "an IPv4 prefix in CIDR notation"))
}

/// `cidrSubnet(prefix, new length, index)`.
fn cidr_subnet(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    let network = prefix(arguments)?.trunc();
    let length = u8::try_from(arguments.number(1)?).map_err(|_| arguments.wrong(1, "a prefix length"))?;
    let subnets = network.subnets(length).map_err(|_| arguments.invalid("The new prefix length does not fit."))?;
    let index = arguments.size(2)?;
    let mut subnets = subnets.skip(index);
    subnets.next().map(|subnet| json!(subnet)).ok_or_else(|| arguments.invalid("There is no subnet of that index."))
}

/// `cidrHost(prefix, index)`: the first usable address is number 0.
fn cidr_host(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    let network = prefix(arguments)?.trunc();
    let offset = u32::try_from(arguments.size(1)?).ok().and_then(|index| index.checked_add(1));
    let address = offset.and_then(|offset| u32::from(network.network()).checked_add(offset)).map(Ipv4Addr::from);
    let address = address.filter(|address| network.contains(address) && *address != network.broadcast());
    address.map(|address| json!(address)).ok_or_else(|| arguments.invalid("There is no host of that index."))
}

fn parse_cidr(arguments: &Arguments<'_>) -> Result<Value, Problem> {
    let network = prefix(arguments)?.trunc();
    let hosts: Vec<Ipv4Addr> = [network.hosts().next(), network.hosts().next_back()].into_iter().flatten().collect();
    Ok(json!({
        "network": network.network(),
        "netmask": network.netmask(),
        "broadcast": network.broadcast(),
        "firstUsable": hosts.first(),
        "lastUsable": hosts.last(),
        "cidr": network.prefix_len(),
    }))
}
