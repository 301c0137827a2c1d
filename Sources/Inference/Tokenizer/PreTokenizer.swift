/// Cuts text into the words that byte-pair merging never crosses, as the `smollm` pre-tokenizer
/// does: first every digit on its own, then within the pieces between digits the GPT-2 pattern
///
///     's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
///
/// A hand-written scanner over Unicode categories; one pass.
struct PreTokenizer {
    private enum Class: UInt8 {
        case letter, number, space, other
    }

    private var scalars: [Unicode.Scalar] = []
    private var classes: [Class] = []
    /// The byte offset of each scalar, and at the end the byte count.
    private var offsets: [Int] = []

    init(_ text: Substring) {
        var offset = 0
        for scalar in text.unicodeScalars {
            scalars.append(scalar)
            classes.append(Self.classify(scalar))
            offsets.append(offset)
            offset += UTF8.width(scalar)
        }
        offsets.append(offset)
    }

    private static func classify(_ scalar: Unicode.Scalar) -> Class {
        if scalar.isASCII {
            switch scalar.value {
            case 0x41...0x5a, 0x61...0x7a: return .letter
            case 0x30...0x39: return .number
            case 0x09...0x0d, 0x20: return .space
            default: return .other
            }
        }
        switch scalar.properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter:
            return .letter
        case .decimalNumber, .letterNumber, .otherNumber:
            return .number
        default:
            return scalar.properties.isWhitespace ? .space : .other
        }
    }

    /// Calls `body` with the byte range of each word, in order; together they cover the text.
    func forEachWord(_ body: (Range<Int>) -> Void) {
        var start = 0
        while start < scalars.count {
            if classes[start] == .number {
                body(offsets[start]..<offsets[start + 1])
                start += 1
                continue
            }
            var end = start
            while end < scalars.count, classes[end] != .number { end += 1 }
            while start < end {
                let next = wordEnd(from: start, before: end)
                body(offsets[start]..<offsets[next])
                start = next
            }
        }
    }

    /// Where the word that starts at `start` ends; `end` is where the piece without digits ends.
    private func wordEnd(from start: Int, before end: Int) -> Int {
        if let contraction = contractionEnd(from: start, before: end) { return contraction }
        let hasSpace = scalars[start] == " "
        let first = hasSpace ? start + 1 : start
        if first < end, classes[first] != .space {
            var next = first + 1
            while next < end, classes[next] == classes[first] { next += 1 }
            return next
        }
        var next = start
        while next < end, classes[next] == .space { next += 1 }
        // White space before a word leaves its last character to the word.
        return next < end && next - start > 1 ? next - 1 : next
    }

    private func contractionEnd(from start: Int, before end: Int) -> Int? {
        guard scalars[start] == "'", start + 1 < end else { return nil }
        switch scalars[start + 1] {
        case "s", "t", "m", "d": return start + 2
        case "r", "v": return start + 2 < end && scalars[start + 2] == "e" ? start + 3 : nil
        case "l": return start + 2 < end && scalars[start + 2] == "l" ? start + 3 : nil
        default: return nil
        }
    }
}
