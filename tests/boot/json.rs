//! What a kernel said in JSON, and what is expected of it.

use serde_json::Value;

/// An answer, or a part of one, that knows its question: a failure shows both.
#[derive(Clone, Debug)]
pub struct Json {
    question: String,
    value: Value,
}

impl Json {
    /// The answer to `question`; nothing counts as an empty list, as ip(8) prints nothing for one.
    #[track_caller]
    pub fn parse(question: &str, text: &str) -> Self {
        let text = if text.trim().is_empty() { "[]" } else { text };
        match serde_json::from_str(text) {
            Ok(value) => Self::new(question, value),
            Err(error) => panic!("{question}: no JSON: {error}\n{text}"),
        }
    }

    /// A value that stands for the answer to `question`.
    pub fn new(question: &str, value: Value) -> Self {
        let question = question.to_owned();
        Self { question, value }
    }

    /// What is at `path` (RFC 6901: `/linkinfo/info_data/id`), if anything is.
    pub fn get(&self, path: &str) -> Option<&Value> {
        self.value.pointer(path)
    }

    /// The part at `path`, which must be there.
    #[track_caller]
    pub fn at(&self, path: &str) -> Self {
        match self.get(path) {
            Some(value) => Self::new(&format!("{} at {path}", self.question), value.clone()),
            None => panic!("nothing at {path} of {self}"),
        }
    }

    /// `value` is at `path`.
    #[track_caller]
    pub fn is(&self, path: &str, value: impl Into<Value>) {
        let (found, expect) = (self.at(path).value, value.into());
        assert_eq!(found, expect, "at {path} of {self}");
    }

    /// Nothing is at `path`.
    #[track_caller]
    pub fn lacks(&self, path: &str) {
        assert_eq!(self.get(path), None, "at {path} of {self}");
    }

    /// The list holds exactly one element with all of `words`, and this is it.
    ///
    /// A word is `key=value`: `dst=default`, `protocol=73`, `linkinfo/info_kind=vlan`.
    #[track_caller]
    pub fn one(&self, words: &str) -> Self {
        match self.all(words).as_slice() {
            [one] => Self::new(&format!("{} with {words}", self.question), (*one).clone()),
            found => panic!("{} and not 1 with {words:?} in {self}", found.len()),
        }
    }

    /// No element of the list has all of `words`.
    #[track_caller]
    pub fn none(&self, words: &str) {
        let found = self.all(words).len();
        assert_eq!(found, 0, "with {words:?} in {self}");
    }

    /// How many elements of the list have all of `words`; with none given, how many there are.
    #[track_caller]
    pub fn count(&self, words: &str) -> usize {
        self.all(words).len()
    }

    #[track_caller]
    fn all(&self, words: &str) -> Vec<&Value> {
        let Value::Array(list) = &self.value else {
            panic!("no list: {self}");
        };
        let holds = |element: &&Value| {
            words.split_whitespace().all(|word| {
                let (key, expect) = word.split_once('=').expect("a word is key=value");
                match element.pointer(&format!("/{key}")) {
                    Some(Value::String(found)) => found == expect,
                    Some(found) => serde_json::to_string(found).is_ok_and(|text| text == expect),
                    None => false,
                }
            })
        };
        list.iter().filter(holds).collect()
    }
}

impl std::fmt::Display for Json {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "`{}`:\n{:#}", self.question, self.value)
    }
}

#[test]
fn questions_to_an_answer() {
    let json = Json::parse(
        "ip route",
        r#"[{"dst":"default","metric":7,"nest":{"id":1}},{"dst":"default"}]"#,
    );
    json.is("/0/metric", 7);
    json.lacks("/1/metric");
    json.one("dst=default metric=7").is("/nest/id", 1);
    json.one("nest/id=1").at("/nest").is("/id", 1);
    json.none("dst=default metric=8");
    assert_eq!(json.count("dst=default"), 2);
    assert_eq!(Json::parse("ip rule", "\n").count(""), 0);
    let wrong = std::panic::catch_unwind(|| json.is("/0/metric", "7"));
    let text = *wrong.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("at /0/metric of `ip route`"), "{text}");
}
