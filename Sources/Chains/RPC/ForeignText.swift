extension String {
    /// As many whole characters from the front as `limit` bytes of UTF-8 hold.
    ///
    /// A character may have any number of bytes, so what strangers say is cut by bytes wherever it
    /// is stored or sent on. O(limit).
    func cut(toBytes limit: Int) -> String {
        var end = startIndex
        var bytes = 0
        for (place, character) in zip(indices, self) {
            bytes += character.utf8.count
            guard bytes <= limit else { break }
            end = index(after: place)
        }
        return String(self[..<end])
    }
}
