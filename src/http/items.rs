//! Lists in one query parameter: items that are separated by commas.

/// The items of a list. Blanks around an item are ignored. As in CSV, an item that contains a comma or has blanks of
/// its own at its ends is put in double quotes, in which a quote is doubled. `None` if an item is empty or a quote is
/// not closed.
pub(super) fn items(list: &str) -> Option<Vec<String>> {
    let (mut items, mut rest) = (Vec::new(), Some(list));
    while let Some(list) = rest {
        let (item, after) = first(list.trim_start())?;
        if item.is_empty() {
            return None;
        }
        items.push(item);
        rest = after;
    }
    Some(items)
}

/// The first item, and what follows its comma.
fn first(list: &str) -> Option<(String, Option<&str>)> {
    let Some(mut rest) = list.strip_prefix('"') else {
        let (item, rest) = list.split_once(',').map_or((list, None), |(item, rest)| (item, Some(rest)));
        return Some((item.trim_end().to_owned(), rest));
    };
    let mut item = String::new();
    loop {
        let (text, after) = rest.split_once('"')?;
        item.push_str(text);
        if let Some(after) = after.strip_prefix('"') {
            item.push('"');
            rest = after;
            continue;
        }
        let after = after.trim_start();
        return match after.strip_prefix(',') {
            None => after.is_empty().then_some((item, None)),
            next => Some((item, next)),
        };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::items;

    #[test]
    fn items_are_separated_by_commas_outside_of_quotes() {
        for (list, expected) in [
            ("a", vec!["a"]),
            (" a b ,c ", vec!["a b", "c"]),
            (r#""a, b", c"#, vec!["a, b", "c"]),
            (r#"c,"  a  " "#, vec!["c", "  a  "]),
            (r#""say ""hi""",5" disk"#, vec![r#"say "hi""#, r#"5" disk"#]),
        ] {
            assert_eq!(items(list).unwrap(), expected, "{list}");
        }
        for list in ["", " ", ",", "a,", ",a", "a,,b", r#"""#, r#""a"#, r#""a"b"#, r#""""#, r#""a" "b""#] {
            assert_eq!(items(list), None, "{list}");
        }
    }

    proptest! {
        #[test]
        fn any_texts_can_be_listed_in_quotes(texts in prop::collection::vec("[ ,\"a-z\u{e4}]{1,6}", 1..5)) {
            let quoted: Vec<_> = texts.iter().map(|text| format!("\"{}\"", text.replace('"', "\"\""))).collect();
            prop_assert_eq!(items(&quoted.join(" , ")), Some(texts));
        }
    }
}
