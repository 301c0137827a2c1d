/// Finds words in a piece of text that ends at `end`; the hand-written form of the regular
/// expressions of `WordCut`. Each method costs what it matches.
struct WordScanner {
    private let text: ClassifiedText
    private let end: Int
    /// The end of the run of letters that was looked at last, so that none is looked at again.
    private var upperRun = 0..<0

    init(_ text: ClassifiedText, _ end: Int) {
        self.text = text
        self.end = end
    }

    func point(_ place: Int) -> UInt32 { text.points[place] }

    func isClass(_ place: Int, _ wanted: CharacterClass) -> Bool {
        place < end && text.classes[place] == wanted
    }

    func isDigit(_ place: Int) -> Bool {
        place < end && (0x30...0x39).contains(text.points[place])
    }

    func isLineBreak(_ place: Int) -> Bool {
        place < end && (text.points[place] == 0x0a || text.points[place] == 0x0d)
    }

    func run(from place: Int, _ wanted: CharacterClass) -> Int {
        run(from: place) { $0.isClass($1, wanted) }
    }

    func run(from place: Int, while condition: (WordScanner, Int) -> Bool) -> Int {
        var next = place
        while next < end, condition(self, next) { next += 1 }
        return next
    }

    /// At most `limit` numbers.
    func numbers(from place: Int, limit: Int) -> Int {
        var next = place
        while next - place < limit, isClass(next, .number) { next += 1 }
        return next
    }

    private func isPoint(_ place: Int, _ wanted: Unicode.Scalar) -> Bool {
        place < end && text.points[place] == wanted.value
    }

    /// `[^\s\p{L}\p{N}]`, and without `\p{M}` if marks belong to words.
    private func isOther(_ place: Int, marks: Bool = true) -> Bool {
        guard place < end else { return false }
        switch text.classes[place] {
        case .letter, .number, .space: return false
        case .mark: return marks
        case .other, .punctuation, .symbol: return true
        }
    }

    /// `'s|'t|'re|'ve|'m|'ll|'d`, in small letters or in any.
    private func contraction(at place: Int, anyCase: Bool) -> Int? {
        guard isPoint(place, "'"), place + 1 < end else { return nil }
        func letter(_ place: Int) -> UInt32 {
            guard place < end else { return 0 }
            let point = text.points[place]
            return anyCase && (0x41...0x5a).contains(point) ? point + 32 : point
        }
        switch (letter(place + 1), letter(place + 2)) {
        case (0x73, _), (0x74, _), (0x6d, _), (0x64, _): return place + 2
        case (0x72, 0x65), (0x76, 0x65), (0x6c, 0x6c): return place + 3
        default: return nil
        }
    }

    /// `\s+(?!\S)|\s+`: white space before a word leaves its last character to the word.
    private func spaces(at place: Int) -> Int {
        let next = run(from: place, .space)
        return next < end && next - place > 1 ? next - 1 : next
    }

    /// The GPT-2 word at `place`.
    func gpt2Word(at place: Int) -> Int {
        if let next = contraction(at: place, anyCase: false) { return next }
        let first = isPoint(place, " ") ? place + 1 : place
        if isClass(first, .letter) { return run(from: first, .letter) }
        if isClass(first, .number) { return run(from: first, .number) }
        if isOther(first) { return run(from: first) { $0.isOther($1) } }
        return spaces(at: place)
    }

    /// The word at `place` by a later pattern.
    mutating func word(at place: Int, _ pattern: WordPattern) -> Int {
        if pattern.hasContractions, let next = contraction(at: place, anyCase: true) {
            return next
        }
        if pattern.isDeepSeek, let next = punctuatedWord(at: place) { return next }
        if let next = letters(at: place, pattern) { return next }
        if !pattern.isDeepSeek, isClass(place, .number) {
            return numbers(from: place, limit: pattern.numbers)
        }
        let first = isPoint(place, " ") ? place + 1 : place
        let others = run(from: first) { $0.isOther($1, pattern) }
        if others > first {
            return run(from: others) {
                $0.isLineBreak($1) || pattern.joinsSlashes && $0.isPoint($1, "/")
            }
        }
        return spacesAndLineBreaks(at: place)
    }

    private func isOther(_ place: Int, _ pattern: WordPattern) -> Bool {
        if pattern.isDeepSeek { return isClass(place, .punctuation) || isClass(place, .symbol) }
        return isOther(place, marks: pattern.letters != .anyWithMarks)
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`
    private func spacesAndLineBreaks(at place: Int) -> Int {
        let next = run(from: place, .space)
        var last = next
        while last > place, !isLineBreak(last - 1) { last -= 1 }
        return last > place ? last : spaces(at: place)
    }

    /// ``[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+``
    private func punctuatedWord(at place: Int) -> Int? {
        guard point(place) < 0x80,
            isClass(place, .punctuation) || isClass(place, .symbol)
        else { return nil }
        let next = run(from: place + 1) { $0.point($1) < 0x80 && $0.isClass($1, .letter) }
        return next > place + 1 ? next : nil
    }

    /// Letters, with one character before them that is none and may stand there.
    private mutating func letters(at place: Int, _ pattern: WordPattern) -> Int? {
        func isLetter(_ scanner: WordScanner, _ place: Int) -> Bool {
            scanner.isClass(place, .letter)
                || pattern.letters == .anyWithMarks && scanner.isClass(place, .mark)
        }
        var first = place
        if !isLetter(self, place) {
            guard mayLead(place, pattern), isLetter(self, place + 1) else { return nil }
            first = place + 1
        }
        if pattern.letters == .byCase {
            let next = casedWord(at: first)
            return pattern.joinsContractions ? contraction(at: next, anyCase: true) ?? next : next
        }
        return run(from: first, while: isLetter)
    }

    private func mayLead(_ place: Int, _ pattern: WordPattern) -> Bool {
        if isLineBreak(place) { return false }
        switch text.classes[place] {
        case .letter: return false
        case .number: return pattern.isDeepSeek
        case .punctuation, .symbol: return !pattern.isDeepSeek
        case .mark, .space, .other: return true
        }
    }

    /// `U*W+|U+W*` with U letters that are not a to z and W letters that are not A to Z: as many U
    /// as there are, but the last that is also W is left if nothing else is.
    private mutating func casedWord(at first: Int) -> Int {
        if !upperRun.contains(first) {
            let last = run(from: first) {
                $0.isClass($1, .letter) && !(0x61...0x7a).contains($0.point($1))
            }
            upperRun = first..<last
        }
        let last = upperRun.upperBound
        func isLower(_ scanner: WordScanner, _ place: Int) -> Bool {
            scanner.isClass(place, .letter) && !(0x41...0x5a).contains(scanner.point(place))
        }
        let next = run(from: max(first, last), while: isLower)
        if next > last || first >= last { return next }
        for place in (first..<last).reversed() where isLower(self, place) { return place + 1 }
        return last
    }
}
