//! Templates against a small world.

#![expect(clippy::needless_pass_by_value, reason = "documents are written where they are used")]

use std::rc::Rc;

use azure::ResourceId;
use serde_json::{Value, json};

use super::*;

/// A group in which every resource's state is its own id.
struct Small(ResourceId);

impl World for Small {
    fn scope(&self) -> &ResourceId {
        &self.0
    }

    fn resource_group(&self) -> Result<Value, Problem> {
        Ok(json!({"id": self.0, "name": "rg", "location": "westeurope"}))
    }

    fn subscription(&self) -> Value {
        json!({"id": "/subscriptions/s", "subscriptionId": "s", "tenantId": "t"})
    }

    fn tenant(&self) -> Value {
        json!({"tenantId": "t"})
    }

    fn environment(&self) -> Value {
        json!({"name": "Noren"})
    }

    fn deployment(&self) -> Value {
        json!({"name": "d"})
    }

    fn reference(&self, id: &ResourceId, full: bool) -> Result<Value, Problem> {
        Ok(json!({"id": id, "full": full}))
    }

    fn list(&self, id: &ResourceId, action: &str, body: Value) -> Result<Value, Problem> {
        Ok(json!({"of": id, "action": action, "body": body}))
    }

    fn now(&self) -> jiff::Timestamp {
        jiff::Timestamp::from_second(1_790_000_000).unwrap()
    }

    fn new_guid(&self) -> String {
        "guid".to_owned()
    }
}

fn small() -> Small {
    Small(ResourceId::group("s", "rg"))
}

fn template(body: Value) -> Value {
    let mut template = json!({"$schema": "x", "contentVersion": "1.0.0.0"});
    template.as_object_mut().unwrap().extend(body.as_object().unwrap().clone());
    template
}

/// What `expression` comes to, with the parameters `number` = 3 and `name` = `Vnet`.
fn evaluated(expression: &str) -> Result<Value, String> {
    let declared = json!({"parameters": {
        "number": {"type": "int", "defaultValue": 3},
        "name": {"type": "string", "defaultValue": "Vnet"},
    }, "variables": {
        "tags": {"a": "[variables('b')]", "list": [1, 2]},
        "b": "[concat(parameters('name'), '-', parameters('number'))]",
        "loop": "[variables('loop')]",
        "copy": [{"name": "many", "count": 3, "input": "[copyIndex('many', 1)]"}],
    }});
    let world = small();
    let inputs = read_inputs(&world, &template(declared), &Value::Null, Rc::default()).map_err(|it| it.message)?;
    Scope::new(&world, inputs).at_runtime().value(&json!(expression)).map_err(|problem| problem.message)
}

#[test]
fn expressions_come_to_what_azure_says_they_do() {
    for (expression, expected) in [
        ("plain [text]", json!("plain [text]")),
        ("[toLower(parameters('NAME'))]", json!("vnet")),
        ("[variables('tags').a]", json!("Vnet-3")),
        ("[variables('tags')['list'][1]]", json!(2)),
        ("[variables('many')]", json!([1, 2, 3])),
        ("[if(greater(parameters('number'), 2), 'big', parameters('missing'))]", json!("big")),
        ("[or(true(), parameters('missing'))]", json!(true)),
        ("[and(false(), parameters('missing'))]", json!(false)),
        ("[coalesce(null(), 'x', parameters('missing'))]", json!("x")),
        ("[equals('a', 'A')]", json!(false)),
        ("[empty(createArray())]", json!(true)),
        ("[length('Grüße')]", json!(5)),
        ("[concat(createArray(1), createArray(2))]", json!([1, 2])),
        (
            "[union(createObject('a', createObject('b', 1)), createObject('a', createObject('c', 2)))]",
            json!({"a": {"b": 1, "c": 2}}),
        ),
        ("[union(createArray(1, 2), createArray(2, 3))]", json!([1, 2, 3])),
        ("[intersection(createArray(1, 2), createArray(2, 3))]", json!([2])),
        ("[contains(createObject('Key', 1), 'key')]", json!(true)),
        ("[format('{0}-{1:D3}-{{x}}', 'a', 7)]", json!("a-007-{x}")),
        ("[split('a,b;c', createArray(',', ';'))]", json!(["a", "b", "c"])),
        ("[join(createArray('a', 'b'), '/')]", json!("a/b")),
        ("[substring('virtual', 2, 3)]", json!("rtu")),
        ("[replace('a-b-c', '-', '')]", json!("abc")),
        ("[padLeft(7, 3, '0')]", json!("007")),
        ("[skip(createArray(1, 2, 3), 1)]", json!([2, 3])),
        ("[take('abc', 9)]", json!("abc")),
        ("[last('abc')]", json!("c")),
        ("[indexOf('abcb', 'B')]", json!(1)),
        ("[lastIndexOf('abcb', 'B')]", json!(3)),
        ("[add(mul(2, 3), mod(7, 4))]", json!(9)),
        ("[max(createArray(3, 9, 1))]", json!(9)),
        ("[range(5, 3)]", json!([5, 6, 7])),
        ("[int('42')]", json!(42)),
        ("[bool('true')]", json!(true)),
        ("[string(createObject('a', true()))]", json!("{\"a\":true}")),
        ("[base64ToString(base64('hé'))]", json!("hé")),
        ("[json('{\"a\": [1]}').a[0]]", json!(1)),
        ("[uri('http://x.test/a/b', 'c')]", json!("http://x.test/a/c")),
        ("[map(createArray(1, 2), lambda('n', mul(lambdaVariables('n'), 2)))]", json!([2, 4])),
        ("[filter(range(0, 4), lambda('n', greater(lambdaVariables('n'), 1)))]", json!([2, 3])),
        ("[reduce(range(1, 3), 0, lambda('sum', 'n', add(lambdaVariables('sum'), lambdaVariables('n'))))]", json!(6)),
        (
            "[sort(createArray(3, 1, 2), lambda('a', 'b', less(lambdaVariables('a'), lambdaVariables('b'))))]",
            json!([1, 2, 3]),
        ),
        ("[toObject(createArray('a'), lambda('x', lambdaVariables('x')), lambda('x', 1))]", json!({"a": 1})),
        ("[tryGet(createObject('a', createArray(5)), 'a', 0)]", json!(5)),
        ("[createObject('a', 1).?b]", Value::Null),
        ("[resourceGroup().location]", json!("westeurope")),
        ("[cidrSubnet('10.0.0.0/16', 24, 2)]", json!("10.0.2.0/24")),
        ("[cidrHost('10.0.2.0/24', 3)]", json!("10.0.2.4")),
        ("[dateTimeAdd('2026-01-31T00:00:00Z', 'P1M', 'yyyy-MM-dd')]", json!("2026-02-28")),
        (
            "[resourceId('Microsoft.Network/virtualNetworks/subnets', 'v', 's')]",
            json!("/subscriptions/s/resourceGroups/rg/providers/Microsoft.Network/virtualNetworks/v/subnets/s"),
        ),
        (
            "[resourceId('other', 'Microsoft.Network/virtualNetworks', 'v')]",
            json!("/subscriptions/s/resourceGroups/other/providers/Microsoft.Network/virtualNetworks/v"),
        ),
        (
            "[subscriptionResourceId('Microsoft.Authorization/roleDefinitions', 'g')]",
            json!("/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/g"),
        ),
        ("[reference('/subscriptions/s/resourceGroups/x', '2024-01-01', 'Full').full]", json!(true)),
        ("[listKeys('/subscriptions/s/resourceGroups/x', '2024-01-01').action]", json!("listkeys")),
    ] {
        assert_eq!(evaluated(expression), Ok(expected), "{expression}");
    }
}

#[test]
fn nothing_unknown_or_endless_is_passed_over() {
    for (expression, words) in [
        ("[fly('away')]", "The template function 'fly' is not valid"),
        ("[contoso.name()]", "'contoso.name' is not valid"),
        ("[parameters('missing')]", "'missing' is not found"),
        ("[variables('missing')]", "'missing' is not found"),
        ("[variables('loop')]", "refers to itself"),
        ("[copyIndex()]", "'copyIndex' is not expected at this location"),
        ("[utcNow()]", "can only be used in the default value"),
        ("[concat()]", "function requires at least 1"),
        ("[toUpper(1)]", "to be a string. The provided value is of type 'Integer'"),
        ("[createArray(1)[1]]", "out of bounds"),
        ("[createObject('a', 1).b]", "available properties are 'a'"),
        ("[range(0, 10001)]", "must not exceed '10000'"),
        ("[div(1, 0)]", "not a number"),
        ("[resourceId('Microsoft.Network/virtualNetworks', 'v', 's')]", "requires '1' resource name"),
        ("[reference('nobody')]", "'nobody' is not defined in the template"),
        ("[json('{')]", "not valid JSON"),
    ] {
        let problem = evaluated(expression).unwrap_err();
        assert!(problem.contains(words), "{expression}: {problem}");
    }
    let mut variables = json!({"v0": "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"});
    for step in 1..30 {
        let before = step - 1;
        variables[format!("v{step}")] = json!(format!("[concat(variables('v{before}'), variables('v{before}'))]"));
    }
    let world = small();
    let inputs = read_inputs(&world, &template(json!({"variables": variables})), &Value::Null, Rc::default()).unwrap();
    let problem = Scope::new(&world, inputs).value(&json!("[variables('v29')]")).unwrap_err();
    assert!(problem.message.contains("too much work"), "{problem:?}");
}

#[test]
fn every_function_that_is_said_to_be_known_is() {
    for name in check::FUNCTIONS {
        if let Err(problem) = evaluated(&format!("[{name}()]")) {
            assert!(!problem.contains(&format!("'{name}' is not valid")), "{name}: {problem}");
        }
    }
}

fn inputs_of(parameters: Value, given: &Value) -> Result<Value, String> {
    let template = template(json!({"parameters": parameters}));
    let inputs = read_inputs(&small(), &template, given, Rc::default()).map_err(|problem| problem.message)?;
    Ok(declared_parameters(&template, &inputs))
}

#[test]
fn parameters_have_types_bounds_and_defaults_and_secrets_are_not_shown() {
    let declared = json!({
        "b": {"type": "string", "defaultValue": "[concat(parameters('a'), '-b')]"},
        "a": {"type": "string", "allowedValues": ["x", "y"]},
        "n": {"type": "int", "minValue": 1, "maxValue": 5, "defaultValue": 2},
        "p": {"type": "secureString", "defaultValue": "[newGuid()]"},
    });
    let shown = inputs_of(declared.clone(), &json!({"A": {"value": "x"}})).unwrap();
    assert_eq!(shown["b"], json!({"type": "String", "value": "x-b"}));
    assert_eq!(shown["p"], json!({"type": "SecureString"}));
    for (given, words) in [
        (json!({}), "'a' is not provided"),
        (json!({"a": {"value": "z"}}), "not part of the allowed value(s): 'x,y'"),
        (json!({"a": {"value": 1}}), "Expected 'String, Uri'. Actual 'Integer'"),
        (json!({"a": {"value": "x"}, "n": {"value": 6}}), "less than or equal to '5'"),
        (
            json!({"a": {"value": "x"}, "q": {"value": 6}}),
            "The template parameters 'q' in the parameters file are not valid",
        ),
    ] {
        let problem = inputs_of(declared.clone(), &given).unwrap_err();
        assert!(problem.contains(words), "{given}: {problem}");
    }
}

fn planned(resources: Value) -> Result<Vec<String>, String> {
    let template = template(json!({"resources": resources}));
    let world = small();
    let plan = read_inputs(&world, &template, &Value::Null, Rc::default())
        .and_then(|inputs| plan(&Scope::new(&world, inputs), &template));
    let short = |planned: Planned| planned.id.as_str().rsplit_once("/providers/").unwrap().1.to_owned();
    plan.map(|plan| plan.into_iter().map(short).collect()).map_err(|problem| problem.message)
}

fn thing(name: &str, more: Value) -> Value {
    let mut resource = json!({"type": "A.B/things", "apiVersion": "1", "name": name});
    resource.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    resource
}

#[test]
fn resources_come_after_what_they_depend_on() {
    let refers = json!({"properties": {"x": "[reference(resourceId('A.B/things', 'c')).y]"}});
    let order = planned(json!([
        thing("a", json!({"dependsOn": ["A.B/things/b"]})),
        thing("b", refers),
        thing("c", json!({"dependsOn": ["[resourceId('A.B/things', 'd')]", "off"]})),
        thing("d", json!({"dependsOn": ["many"]})),
        thing("off", json!({"condition": false})),
        thing("[concat('m', copyIndex())]", json!({"copy": {"name": "many", "count": 2}})),
        thing(
            "p",
            json!({"resources": [
                {"type": "parts", "apiVersion": "1", "name": "q", "dependsOn": ["p"]},
            ]})
        ),
    ]));
    let things = ["m0", "m1", "d", "c", "b", "a", "p"].map(|name| format!("A.B/things/{name}"));
    let mut expected = things.to_vec();
    expected.push("A.B/things/p/parts/q".to_owned());
    let mut order = order.unwrap();
    // What depends on nothing keeps the template's order; only the relations are the rule.
    let place = |name: &str, order: &[String]| order.iter().position(|other| other.ends_with(name)).unwrap();
    for (before, after) in [("/b", "/a"), ("/c", "/b"), ("/d", "/c"), ("/m0", "/d"), ("/m1", "/d"), ("/p", "/q")] {
        assert!(place(before, &order) < place(after, &order), "{before} before {after}: {order:?}");
    }
    order.sort();
    expected.sort();
    assert_eq!(order, expected);
}

#[test]
fn symbols_name_resources_and_what_exists_is_not_deployed() {
    let resources = json!({
        "two": {"type": "A.B/things", "apiVersion": "1", "name": "b", "dependsOn": ["one", "old"]},
        "one": {"type": "A.B/things", "apiVersion": "1", "name": "a"},
        "old": {"type": "A.B/things", "apiVersion": "1", "name": "o", "existing": true},
    });
    assert_eq!(planned(resources).unwrap(), ["A.B/things/a", "A.B/things/b"]);
}

#[test]
fn plans_that_make_no_sense_are_refused() {
    for (resources, words) in [
        (
            json!([thing("a", json!({"dependsOn": ["b"]})), thing("b", json!({"dependsOn": ["a"]}))]),
            "Circular dependency",
        ),
        (json!([thing("a", json!({"dependsOn": ["x"]}))]), "'x' is not defined in the template"),
        (json!([thing("a", json!({})), thing("A", json!({}))]), "defined multiple times"),
        (json!([thing("a/b", json!({}))]), "incorrect segment lengths"),
        (json!([thing("a", json!({"copy": {"name": "c", "count": 801}}))]), "invalid copy count '801'"),
        (
            json!([
                thing("[concat('a', copyIndex())]", json!({"copy": {"name": "c", "count": 800}})),
                thing("b", json!({}))
            ]),
            "limit exceeded",
        ),
        (json!([{"type": "A.B/things", "name": "a"}]), "'apiVersion' not found"),
        (json!([thing("[reference('a').x]", json!({}))]), "'reference' is not expected at this location"),
        (json!([7]), "not an object"),
        (json!([thing("a", json!({"properties": {"x": ["[if(true(), 1, fly())]"]}}))]), "'fly' is not valid"),
        (json!([thing("a", json!({"properties": {"x": "[variables('none')]"}}))]), "'none' is not found"),
        (json!([thing("a", json!({"properties": {"x": "[concat(]"}}))]), ""),
    ] {
        let problem = planned(resources.clone()).unwrap_err();
        assert!(problem.contains(words), "{resources}: {problem}");
    }
}

#[test]
fn loops_in_values_become_arrays() {
    let world = small();
    let inputs = read_inputs(&world, &template(json!({})), &Value::Null, Rc::default()).unwrap();
    let value = json!({"copy": [{"name": "subnets", "count": 2, "input": {"n": "[concat('s', copyIndex('subnets'))]"}}], "x": 1});
    let scope = Scope::new(&world, inputs);
    assert_eq!(scope.value(&value).unwrap(), json!({"subnets": [{"n": "s0"}, {"n": "s1"}], "x": 1}));
    let outputs = outputs(
        &scope,
        &json!({"outputs": {
            "o": {"type": "array", "copy": {"count": 2, "input": "[copyIndex()]"}},
            "s": {"type": "securestring", "value": "x"},
            "n": {"type": "string", "value": "y", "condition": false},
        }}),
    );
    assert_eq!(outputs.unwrap(), json!({"o": {"type": "Array", "value": [0, 1]}, "s": {"type": "SecureString"}}));
}
