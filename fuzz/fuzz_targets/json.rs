//! The strict JSON reader accepts only what `serde_json` accepts, and can read its own output.
#![no_main]

use context_services::domain::json::{Json, read_object, read_records};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|body: &[u8]| {
    let object = read_object(body).map(Json::Object);
    for value in object.into_iter().chain(read_records(body)) {
        serde_json::from_slice::<&serde_json::value::RawValue>(body).expect("serde_json accepts it, too");
        let mut written = String::new();
        value.write(&mut written);
        let mut again = String::new();
        read_records(written.as_bytes()).expect("its own output").write(&mut again);
        assert_eq!(written, again);
    }
});
