//! Validating admission policies: expressions that refuse, warn or are put on record.
//!
//! `authorizer` is not there: an expression that asks it fails as its policy's `failurePolicy` says. Source:
//! k8s.io/apiserver `pkg/admission/plugin/policy/validating`, whose words these are.

use std::sync::Arc;

use serde_json::{Value, json};

use super::matching::{Request, conditions_hold};
use crate::{
    controllers::selects,
    expressions::{Expression, Known, Scope},
    objects::ObjectStore,
    request::Objects,
    status::Status,
};

const GROUP: &str = "admissionregistration.k8s.io";

/// Where a request's record says what would have been refused.
const FAILURE: &str = "validation.policy.admission.k8s.io/validation_failure";

/// What a validation says that does not hold.
struct Failure {
    message: String,
    reason: Option<String>,
}

impl Failure {
    fn error(message: String) -> Self {
        Self { message, reason: None }
    }
}

impl ObjectStore {
    /// Asks every policy that is bound and speaks of a request. Gives the warnings.
    ///
    /// # Errors
    /// What refuses it: 422, or what the policy says.
    pub(super) fn check_policies(&self, request: &Request<'_>) -> Result<Vec<String>, Status> {
        let mut warnings = Vec::new();
        let bindings = self.stored_of(GROUP, "validatingadmissionpolicybindings", None)?;
        // Policies must not lock out whoever is to change them.
        if bindings.is_empty() || request.place.resource.group == GROUP {
            return Ok(warnings);
        }
        for policy in self.stored_of(GROUP, "validatingadmissionpolicies", None)? {
            let name = policy["metadata"]["name"].as_str().unwrap_or_default();
            if !self.is_meant(request, &policy["spec"]["matchConstraints"])? {
                continue;
            }
            for binding in bindings.iter().filter(|binding| binding["spec"]["policyName"] == name) {
                let constraints = &binding["spec"]["matchResources"];
                if !constraints.is_null() && !self.is_meant(request, constraints)? {
                    continue;
                }
                let bound = binding["metadata"]["name"].as_str().unwrap_or_default();
                for failure in self.failures(request, &policy["spec"], &binding["spec"])? {
                    let actions = binding["spec"]["validationActions"].as_array().map_or(&[][..], Vec::as_slice);
                    let has = |action: &str| actions.iter().any(|held| held == action);
                    let text = &failure.message;
                    if has("Warn") {
                        let of = format!("ValidatingAdmissionPolicy '{name}' with binding '{bound}'");
                        warnings.push(format!("Validation failed for {of}: {text}"));
                    }
                    if has("Audit") {
                        let said =
                            json!([{"message": text, "policy": name, "binding": bound, "validationActions": actions}]);
                        self.record(FAILURE, said.to_string());
                    }
                    if has("Deny") {
                        let why =
                            format!("ValidatingAdmissionPolicy '{name}' with binding '{bound}' denied request: {text}");
                        let (row, reason) = (&request.place.resource, failure.reason.as_deref());
                        return Err(Status::denied_for(row, request.name(), &why, reason).warned(warnings));
                    }
                }
            }
        }
        Ok(warnings)
    }

    /// Whether `matchConstraints` or `matchResources` mean a request; without rules they mean what their selectors do.
    fn is_meant(&self, request: &Request<'_>, constraints: &Value) -> Result<bool, Status> {
        let exact = constraints["matchPolicy"] == "Exact";
        let any = |field: &str| {
            let rules = constraints[field].as_array().filter(|rules| !rules.is_empty());
            rules.map(|rules| rules.iter().any(|rule| request.is_of(rule, exact)))
        };
        if any("resourceRules") == Some(false) || any("excludeResourceRules") == Some(true) {
            return Ok(false);
        }
        request.is_selected(self, constraints)
    }

    fn failures(&self, request: &Request<'_>, policy: &Value, binding: &Value) -> Result<Vec<Failure>, Status> {
        let refuses_errors = policy["failurePolicy"] != "Ignore";
        let error = |message: String| if refuses_errors { vec![Failure::error(message)] } else { Vec::new() };
        let parameters = match self.parameters(request, policy, binding)? {
            Ok(parameters) => parameters,
            Err(problem) => return Ok(error(format!("failed to configure binding: {problem}"))),
        };
        let mut failures = Vec::new();
        for parameter in parameters {
            let mut scope = request.scope(self);
            scope.add("params", &Known::of(&parameter));
            scope.add("namespaceObject", &Known::of(&request.namespace_object(self)?));
            match conditions_hold(&policy["matchConditions"], &scope) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(problem) => {
                    failures.extend(error(problem));
                    continue;
                }
            }
            let variables = policy["variables"].as_array().into_iter().flatten().filter_map(|variable| {
                let text = |field: &str| variable[field].as_str().unwrap_or_default();
                Some((text("name").to_owned(), Expression::kept(text("expression")).ok()?))
            });
            scope.define(&variables.collect::<Vec<(String, Arc<Expression>)>>());
            for validation in policy["validations"].as_array().into_iter().flatten() {
                match failure(validation, &scope) {
                    Ok(found) => failures.extend(found),
                    Err(problem) => failures.extend(error(problem)),
                }
            }
        }
        Ok(failures)
    }

    /// The objects that a binding hands to its policy, one after the other; null when it wants none. Or why there are none.
    fn parameters(
        &self,
        request: &Request<'_>,
        policy: &Value,
        binding: &Value,
    ) -> Result<Result<Vec<Value>, String>, Status> {
        let (kind, reference) = (&policy["paramKind"], &binding["paramRef"]);
        if kind.is_null() || reference.is_null() {
            return Ok(Ok(vec![Value::Null]));
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let Some(row) = self.kind_named(&text(&kind["apiVersion"]), &text(&kind["kind"]))? else {
            let what = format!("{}, Kind={}", text(&kind["apiVersion"]), text(&kind["kind"]));
            return Ok(Err(format!("failed to find resource referenced by paramKind: '{what}'")));
        };
        let namespace = reference["namespace"].as_str().or(request.place.namespace).filter(|_| row.namespaced);
        if row.namespaced && namespace.is_none() {
            return Ok(Err(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources".into()
            ));
        }
        let found = if let Some(name) = reference["name"].as_str() {
            let place = Objects { resource: row, namespace, name: Some(name), subresource: None };
            match self.get(&place, name) {
                Ok(found) => vec![found],
                Err(status) if status.code == 404 => Vec::new(),
                Err(status) => return Err(status),
            }
        } else {
            let mut held = self.stored(&row, namespace)?;
            let selector = &reference["selector"];
            held.retain(|object| {
                selector.as_object().is_some_and(serde_json::Map::is_empty) || selects(selector, object)
            });
            held
        };
        if found.is_empty() && reference["parameterNotFoundAction"] != "Allow" {
            let problem = "no params found for policy binding with `Deny` parameterNotFoundAction";
            return Ok(Err(problem.to_owned()));
        }
        Ok(Ok(found))
    }
}

/// What a validation says when it does not hold.
fn failure(validation: &Value, scope: &Scope<'_>) -> Result<Option<Failure>, String> {
    let text = validation["expression"].as_str().unwrap_or_default().trim();
    let held = Expression::kept(text).and_then(|expression| expression.holds(scope).map_err(|error| error.to_string()));
    if held.map_err(|problem| format!("expression '{text}' resulted in error: {problem}"))? {
        return Ok(None);
    }
    let said = validation["messageExpression"].as_str().and_then(|text| {
        let said = Expression::kept(text).ok()?.text(scope).ok()?.trim().to_owned();
        (!said.is_empty() && !said.contains('\n')).then_some(said)
    });
    let fixed = || validation["message"].as_str().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let message = said.or_else(fixed).unwrap_or_else(|| format!("failed expression: {text}"));
    Ok(Some(Failure { message, reason: validation["reason"].as_str().map(str::to_owned) }))
}
