//! Did-you-mean: the nearest of the words that would have been right.

/// The candidate nearest to `given`, if it is near enough to be what was meant.
///
/// Damerau-Levenshtein, because swapped letters are the commonest slip; one edit in three characters is allowed. A word
/// that differs only in case, or in `-`, `_` and spaces, is always near.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = fold(given);
    let allowed = folded.chars().count().div_ceil(3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(&folded, &fold(candidate)), candidate))
        .filter(|(distance, candidate)| *distance <= allowed && *distance < candidate.chars().count().max(1))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

fn fold(word: &str) -> String {
    word.chars().filter(|c| !matches!(c, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn near_words_are_found_and_far_ones_are_not() {
        let words = ["memory", "monitors", "nics", "cpus"];
        assert_eq!(nearest("memroy", words), Some("memory"));
        assert_eq!(nearest("Memory", words), Some("memory"));
        assert_eq!(nearest("cpu", words), Some("cpus"));
        assert_eq!(nearest("cpu_s", words), Some("cpus"));
        assert_eq!(nearest("teleporter", words), None);
        assert_eq!(nearest("x", words), None);
    }
}
