/// Many short texts, numbered from 0, in one block of bytes; together below 2 GiB.
struct TextList: Sendable {
    private var bytes: [UInt8] = []
    /// Where each text ends in `bytes`; it starts where the one before ends.
    private var ends: [Int32] = []

    /// How many texts.
    var count: Int { ends.count }

    mutating func append(_ text: some Collection<UInt8>) {
        bytes.append(contentsOf: text)
        ends.append(Int32(bytes.count))
    }

    /// The text with this number.
    subscript(number: Int32) -> ArraySlice<UInt8> {
        let start = number == 0 ? 0 : ends[Int(number) - 1]
        return bytes[Int(start)..<Int(ends[Int(number)])]
    }
}

/// Texts with numbers, found by their bytes: a hash table beside a list.
struct TokenTable: Sendable {
    private var texts = TextList()
    /// Numbers by hash; -1 is free. Its size is a power of two, at least twice the texts.
    private var slots: [Int32]
    /// The bytes of the longest text.
    private(set) var longest = 0

    /// An empty table for about `count` texts.
    init(capacity count: Int) {
        var size = 16
        while size < 2 * count { size *= 2 }
        slots = Array(repeating: -1, count: size)
    }

    /// How many numbers were given out.
    var count: Int { texts.count }

    /// Gives `text` the next number; `false` if it has one already. An empty text is numbered but
    /// never found.
    mutating func append(_ text: some Collection<UInt8>) -> Bool {
        if 2 * (count + 1) > slots.count { grow() }
        texts.append(text)
        guard !text.isEmpty else { return true }
        longest = max(longest, text.count)
        let number = Int32(count - 1)
        let slot = slot(of: texts[number])
        guard slots[slot] < 0 else { return false }
        slots[slot] = number
        return true
    }

    /// The number of the text with these bytes, or `nil`. O(bytes).
    func find(_ text: ArraySlice<UInt8>) -> Int32? {
        guard text.count <= longest, !text.isEmpty else { return nil }
        let number = slots[slot(of: text)]
        return number < 0 ? nil : number
    }

    /// The text with this number.
    subscript(number: Int32) -> ArraySlice<UInt8> { texts[number] }

    /// Where `text` is or would be.
    private func slot(of text: ArraySlice<UInt8>) -> Int {
        var hasher = Hasher()
        unsafe text.withUnsafeBytes { unsafe hasher.combine(bytes: $0) }
        let mask = slots.count - 1
        var slot = hasher.finalize() & mask
        while slots[slot] >= 0, texts[slots[slot]] != text { slot = (slot + 1) & mask }
        return slot
    }

    private mutating func grow() {
        slots = Array(repeating: -1, count: 2 * slots.count)
        for number in 0..<Int32(count) where !texts[number].isEmpty {
            slots[slot(of: texts[number])] = number
        }
    }
}
