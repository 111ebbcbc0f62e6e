//! Request bodies in Kubernetes' protobuf encoding, which clients choose for built-in kinds: turned
//! into the JSON that everything else here reads.
//!
//! Source: the Kubernetes API concepts, "Kubernetes Protobuf encoding": the bytes `k8s\0`, then a
//! `runtime.Unknown` with the kind and the object. Field numbers and names: `schema/protobuf.txt`.

use std::{collections::HashMap, sync::LazyLock};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

/// What every body begins with.
const MAGIC: &[u8] = b"k8s\0";
/// How deep messages may be nested; schemas of custom resources are the deepest.
const DEPTH_MAX: usize = 64;

/// Numbers and flags that are no pointers in Go's types and `omitempty`: a zero is none. Of all others a zero counts.
const LEFT_OUT_WHEN_ZERO: &[&str] = &[
    "failureThreshold",
    "generation",
    "healthCheckNodePort",
    "hostIPC",
    "hostNetwork",
    "hostPID",
    "hostPort",
    "initialDelaySeconds",
    "minReadySeconds",
    "nodePort",
    "observedGeneration",
    "paused",
    "periodSeconds",
    "publishNotReadyAddresses",
    "readOnly",
    "stdin",
    "stdinOnce",
    "successThreshold",
    "timeoutSeconds",
    "tty",
    "unschedulable",
];

static SCHEMA: LazyLock<HashMap<&str, HashMap<u64, Field>>> =
    LazyLock::new(|| read_schema(include_str!("../schema/protobuf.txt")));

/// Why a body could not be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ProtobufError {
    /// The first bytes are others.
    #[error("the body does not begin with the protobuf magic number")]
    Magic,
    /// It ends within a value, or a value is no value of its type.
    #[error("the body is no valid protobuf message")]
    Malformed,
    /// Deeper than any object.
    #[error("the body is nested too deeply")]
    Depth,
    /// A kind that has no protobuf encoding here.
    #[error("no kind {kind} of {api_version} can be read from protobuf")]
    Kind {
        /// `apiVersion`.
        api_version: String,
        /// `kind`.
        kind: String,
    },
    /// A field that this version does not know.
    #[error("unknown field {tag} in {message}")]
    Field {
        /// The message.
        message: String,
        /// The field's number.
        tag: u64,
    },
}

/// How a field repeats.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shape {
    One,
    List,
    Map,
    /// A message whose fields stand in JSON where it would.
    Inline,
}

struct Field {
    name: &'static str,
    shape: Shape,
    /// `s`, `b`, `i`, `d`, `y` or `m`.
    kind: u8,
    message: &'static str,
}

fn read_schema(text: &'static str) -> HashMap<&'static str, HashMap<u64, Field>> {
    let mut schema: HashMap<&str, HashMap<u64, Field>> = HashMap::new();
    let mut message = "";
    for line in text.lines() {
        let mut words = line.split(' ');
        let (Some(first), second) = (words.next(), words.next()) else { continue };
        let Some(name) = second else {
            message = first;
            schema.entry(message).or_default();
            continue;
        };
        let form = words.next().unwrap_or_default();
        let shape = match form.as_bytes().first() {
            Some(b'*') => Shape::List,
            Some(b'%') => Shape::Map,
            Some(b'~') => Shape::Inline,
            _ => Shape::One,
        };
        let kind = form.as_bytes().last().copied().unwrap_or_default();
        let field = Field { name, shape, kind, message: words.next().unwrap_or_default() };
        if let (Ok(tag), Some(fields)) = (first.parse(), schema.get_mut(message)) {
            fields.insert(tag, field);
        }
    }
    schema
}

/// The object in `body`, with its `apiVersion` and `kind`.
///
/// # Errors
/// [`ProtobufError`] when it is none.
pub(crate) fn decode(body: &[u8]) -> Result<Value, ProtobufError> {
    let mut reader = Reader(body.strip_prefix(MAGIC).ok_or(ProtobufError::Magic)?);
    let (mut api_version, mut kind, mut raw): (String, String, &[u8]) = Default::default();
    while let Some((tag, value)) = reader.field()? {
        match (tag, value) {
            (1, Wire::Bytes(type_meta)) => {
                let mut reader = Reader(type_meta);
                while let Some((tag, value)) = reader.field()? {
                    match tag {
                        1 => api_version = value.text()?,
                        2 => kind = value.text()?,
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(object)) => raw = object,
            _ => {}
        }
    }
    let name = message_name(&api_version, &kind);
    let Some(name) = name.filter(|name| SCHEMA.contains_key(name.as_str())) else {
        return Err(ProtobufError::Kind { api_version, kind });
    };
    let mut object = Map::from_iter([("apiVersion".to_owned(), json!(api_version)), ("kind".to_owned(), json!(kind))]);
    if let Value::Object(fields) = message(&name, raw, 0)? {
        object.extend(fields);
    }
    Ok(Value::Object(object))
}

fn message_name(api_version: &str, kind: &str) -> Option<String> {
    if matches!(kind, "DeleteOptions") {
        return Some("apimachinery/pkg/apis/meta/v1/DeleteOptions".to_owned());
    }
    let (group, version) = api_version.split_once('/').unwrap_or(("core", api_version));
    let group = group.split('.').next()?;
    Some(format!("api/{group}/{version}/{kind}"))
}

fn message(name: &str, bytes: &[u8], depth: usize) -> Result<Value, ProtobufError> {
    if depth > DEPTH_MAX {
        return Err(ProtobufError::Depth);
    }
    match name.rsplit('/').next().unwrap_or_default() {
        "Time" | "MicroTime" => return time(bytes),
        "Quantity" => return first(bytes, 1)?.map_or(Ok(json!("0")), |value| value.text().map(Value::String)),
        "IntOrString" => return int_or_string(bytes),
        "RawExtension" | "FieldsV1" | "JSON" => {
            let raw = first(bytes, 1)?.map(Wire::bytes).transpose()?.unwrap_or(b"null");
            return serde_json::from_slice(raw).map_err(|_| ProtobufError::Malformed);
        }
        _ => {}
    }
    let schema = SCHEMA.get(name).ok_or(ProtobufError::Malformed)?;
    let mut object = Map::new();
    let mut reader = Reader(bytes);
    while let Some((tag, wire)) = reader.field()? {
        let unknown = || ProtobufError::Field { message: name.to_owned(), tag };
        let field = schema.get(&tag).ok_or_else(unknown)?;
        match field.shape {
            Shape::One => {
                object.insert(field.name.to_owned(), value(field, wire, depth)?);
            }
            Shape::Inline => {
                if let Value::Object(fields) = value(field, wire, depth)? {
                    object.extend(fields);
                }
            }
            Shape::List => {
                let slot = object.entry(field.name).or_insert_with(|| json!([]));
                let value = value(field, wire, depth)?;
                if let Value::Array(list) = slot {
                    list.push(value);
                }
            }
            Shape::Map => {
                let (mut key, mut held) = (String::new(), None);
                let mut entry = Reader(wire.bytes()?);
                while let Some((tag, wire)) = entry.field()? {
                    match tag {
                        1 => key = wire.text()?,
                        _ => held = Some(value(field, wire, depth)?),
                    }
                }
                let slot = object.entry(field.name).or_insert_with(|| json!({}));
                if let Value::Object(map) = slot {
                    map.insert(key, held.unwrap_or_else(|| json!("")));
                }
            }
        }
    }
    // Go's encoder writes empty texts and zeros, and structs that JSON leaves out or shows as null.
    object.retain(|name, value| {
        let nothing = *value == 0 || *value == false;
        *value != "" && !value.is_null() && !(nothing && LEFT_OUT_WHEN_ZERO.contains(&name.as_str()))
    });
    Ok(Value::Object(object))
}

fn value(field: &Field, wire: Wire<'_>, depth: usize) -> Result<Value, ProtobufError> {
    Ok(match (field.kind, wire) {
        (b's', wire) => Value::String(wire.text()?),
        (b'b', Wire::Number(number)) => Value::Bool(number != 0),
        (b'i', Wire::Number(number)) => json!(number.cast_signed()),
        (b'd', Wire::Number(number)) => json!(f64::from_bits(number)),
        (b'y', Wire::Bytes(bytes)) => Value::String(STANDARD.encode(bytes)),
        (b'm', Wire::Bytes(bytes)) => message(field.message, bytes, depth + 1)?,
        _ => return Err(ProtobufError::Malformed),
    })
}

fn first(bytes: &[u8], wanted: u64) -> Result<Option<Wire<'_>>, ProtobufError> {
    let mut reader = Reader(bytes);
    while let Some((tag, wire)) = reader.field()? {
        if tag == wanted {
            return Ok(Some(wire));
        }
    }
    Ok(None)
}

/// An empty time is no time.
fn time(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let Some(Wire::Number(seconds)) = first(bytes, 1)? else { return Ok(Value::Null) };
    let instant = jiff::Timestamp::from_second(seconds.cast_signed()).map_err(|_| ProtobufError::Malformed)?;
    Ok(json!(instant.to_string()))
}

fn int_or_string(bytes: &[u8]) -> Result<Value, ProtobufError> {
    let is_text = matches!(first(bytes, 1)?, Some(Wire::Number(1)));
    Ok(match (is_text, first(bytes, 2)?, first(bytes, 3)?) {
        (true, _, Some(text)) => Value::String(text.text()?),
        (false, Some(Wire::Number(number)), _) => json!(number.cast_signed()),
        _ => json!(0),
    })
}

/// One value as it stands on the wire.
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

impl<'a> Wire<'a> {
    fn bytes(self) -> Result<&'a [u8], ProtobufError> {
        match self {
            Self::Bytes(bytes) => Ok(bytes),
            Self::Number(_) => Err(ProtobufError::Malformed),
        }
    }

    fn text(self) -> Result<String, ProtobufError> {
        String::from_utf8(self.bytes()?.to_vec()).map_err(|_| ProtobufError::Malformed)
    }
}

/// The bytes not read yet.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], ProtobufError> {
        let (taken, rest) = self.0.split_at_checked(len).ok_or(ProtobufError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn number(&mut self) -> Result<u64, ProtobufError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = *self.take(1)?.first().ok_or(ProtobufError::Malformed)?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(ProtobufError::Malformed)
    }

    /// The next field's number and value; `None` at the end.
    fn field(&mut self) -> Result<Option<(u64, Wire<'a>)>, ProtobufError> {
        if self.0.is_empty() {
            return Ok(None);
        }
        let key = self.number()?;
        let wire = match key & 7 {
            0 => Wire::Number(self.number()?),
            1 => Wire::Number(u64::from_le_bytes(self.take(8)?.try_into().map_err(|_| ProtobufError::Malformed)?)),
            2 => {
                let len = usize::try_from(self.number()?).map_err(|_| ProtobufError::Malformed)?;
                Wire::Bytes(self.take(len)?)
            }
            _ => return Err(ProtobufError::Malformed),
        };
        Ok(Some((key >> 3, wire)))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn bytes(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut field = vec![tag << 3 | 2, u8::try_from(content.len()).unwrap()];
        field.extend(content);
        field
    }

    fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
        let type_meta = [bytes(1, api_version.as_bytes()), bytes(2, kind.as_bytes())].concat();
        [MAGIC.to_vec(), bytes(1, &type_meta), bytes(2, raw)].concat()
    }

    #[test]
    fn an_object_reads_as_its_json() {
        let metadata = [bytes(1, b"app"), bytes(8, &[])].concat();
        let data = [bytes(1, b"key"), bytes(2, b"value")].concat();
        let raw = [bytes(1, &metadata), bytes(2, &data)].concat();
        let read = decode(&body("v1", "ConfigMap", &raw)).unwrap();
        let wanted =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "app"}, "data": {"key": "value"}});
        assert_eq!(read, wanted);
    }

    #[test]
    fn what_stands_inline_in_go_and_what_is_zero_reads_as_go_writes_it_in_json() {
        let number = |tag: u8, value: u8| vec![tag << 3, value];
        let backend = bytes(1, &bytes(1, b"/"));
        let rule = [bytes(1, b"example.org"), bytes(2, &bytes(1, &backend))].concat();
        let read = decode(&body("networking.k8s.io/v1", "Ingress", &bytes(2, &bytes(3, &rule)))).unwrap();
        assert_eq!(read["spec"]["rules"], json!([{"host": "example.org", "http": {"paths": [{"path": "/"}]}}]));
        let hard = [bytes(1, b"cpu"), bytes(2, &bytes(1, b"500m"))].concat();
        let read = decode(&body("v1", "ResourceQuota", &bytes(2, &bytes(1, &hard)))).unwrap();
        assert_eq!(read["spec"]["hard"], json!({"cpu": "500m"}));
        let metadata = [bytes(1, b"d"), number(7, 0)].concat();
        let spec = [number(1, 0), number(5, 0)].concat();
        let read = decode(&body("apps/v1", "Deployment", &[bytes(1, &metadata), bytes(2, &spec)].concat())).unwrap();
        assert_eq!(read["metadata"], json!({"name": "d"}));
        assert_eq!(read["spec"], json!({"replicas": 0}), "no replicas are wished for; minReadySeconds is not set");
    }

    #[test]
    fn every_message_of_the_schema_is_known() {
        const READ_BY_HAND: [&str; 7] =
            ["Time", "MicroTime", "Quantity", "IntOrString", "RawExtension", "FieldsV1", "JSON"];
        for (name, fields) in SCHEMA.iter() {
            for field in fields.values().filter(|field| field.kind == b'm') {
                let last = field.message.rsplit('/').next().unwrap();
                let known = READ_BY_HAND.contains(&last) || SCHEMA.contains_key(field.message);
                assert!(known, "{} of {name} is {}", field.name, field.message);
            }
        }
    }

    #[test]
    fn what_nobody_knows_is_refused_and_not_dropped() {
        let kind = decode(&body("example.org/v1", "Thing", b"")).unwrap_err();
        assert_eq!(kind.to_string(), "no kind Thing of example.org/v1 can be read from protobuf");
        assert!(matches!(decode(&body("v1", "ConfigMap", &bytes(15, b""))), Err(ProtobufError::Field { tag: 15, .. })));
        assert_eq!(decode(b"{}"), Err(ProtobufError::Magic));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(raw in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&[MAGIC, &raw].concat());
            let short = &raw[..raw.len().min(100)];
            let _ = decode(&body("v1", "Pod", short));
        }
    }
}
