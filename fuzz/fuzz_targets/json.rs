//! The strict reader of JSON takes nothing that another reader would not, and what it writes it reads back.
#![no_main]

use context_services::domain::json::{Json, read_object, read_records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let object = read_object(body).map(Json::Object);
    for value in object.into_iter().chain(read_records(body)) {
        serde_json::from_slice::<&serde_json::value::RawValue>(body).expect("JSON, by another reader too");
        let mut written = String::new();
        value.write(&mut written);
        let mut again = String::new();
        read_records(written.as_bytes()).expect("its own writing").write(&mut again);
        assert_eq!(written, again);
    }
});
