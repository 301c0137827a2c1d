extension String {
    /// A name of a file as words: without underscores, and a rule's without its prefix.
    var inWords: String {
        (hasPrefix("rules.") ? String(dropFirst(6)) : self).replacing("_", with: " ")
    }
}
