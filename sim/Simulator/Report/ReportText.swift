extension String {
    /// A name of a file as words: without underscores.
    var inWords: String { replacing("_", with: " ") }
}
