/// One pass over text that cuts pieces into smaller ones. Each stands for a regular expression,
/// whose matches and the gaps between them are the new pieces.
enum WordCut: Sendable {
    /// `\p{N}`
    case eachNumber
    /// `\p{N}+`
    case numberRuns
    /// `\p{N}{1,3}`
    case numberTriples
    /// `[0-9][0-9][0-9]`
    case digitTriples
    /// `[\p{P}…]+`, with these further characters.
    case punctuation(String)
    /// `[\r\n]`
    case lineBreaks
    /// `\s?\p{…}+`
    case spacedRun(CharacterClass)
    /// `[…]+`, with these ranges of code points, of which white space is none.
    case scripts([ClosedRange<UInt32>])
    /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
    case gpt2
    /// One of the patterns that came after GPT-2's.
    case words(WordPattern)

    /// Cuts the pieces that end at `ends`, and gives where the new ones end. O(characters).
    func apply(to text: ClassifiedText, _ ends: [Int]) -> [Int] {
        var result: [Int] = []
        result.reserveCapacity(ends.count)
        var start = 0
        for end in ends {
            var scanner = WordScanner(text, end)
            var gap = start
            var place = start
            while place < end {
                let next = match(&scanner, at: place)
                if next == place {
                    place += 1
                    continue
                }
                if gap < place { result.append(place) }
                result.append(next)
                place = next
                gap = next
            }
            if gap < end { result.append(end) }
            start = end
        }
        return result
    }

    /// Where the match that starts at `place` ends; `place` if there is none.
    private func match(_ scanner: inout WordScanner, at place: Int) -> Int {
        switch self {
        case .eachNumber:
            return scanner.numbers(from: place, limit: 1)
        case .numberRuns:
            return scanner.run(from: place, .number)
        case .numberTriples:
            return scanner.numbers(from: place, limit: 3)
        case .digitTriples:
            return (place..<place + 3).allSatisfy { scanner.isDigit($0) } ? place + 3 : place
        case .punctuation(let others):
            return scanner.run(from: place) { scanner, at in
                scanner.isClass(at, .punctuation)
                    || others.unicodeScalars.contains { scanner.point(at) == $0.value }
            }
        case .lineBreaks:
            return scanner.isLineBreak(place) ? place + 1 : place
        case .spacedRun(let wanted):
            let first = scanner.isClass(place, .space) ? place + 1 : place
            let end = scanner.run(from: first, wanted)
            return end > first ? end : place
        case .scripts(let ranges):
            return scanner.run(from: place) { scanner, at in
                !scanner.isClass(at, .space) && ranges.contains { $0.contains(scanner.point(at)) }
            }
        case .gpt2:
            return scanner.gpt2Word(at: place)
        case .words(let pattern):
            return scanner.word(at: place, pattern)
        }
    }
}

/// How the patterns after GPT-2's differ from each other.
struct WordPattern: Sendable {
    /// Which characters make a word.
    enum Letters: Sendable {
        /// `\p{L}+`
        case any
        /// `[\p{L}\p{M}]+`
        case anyWithMarks
        /// Upper case, then lower case: `CamelCase` is two words.
        case byCase
    }

    var letters = Letters.any
    /// How many numbers stand together.
    var numbers = 1
    /// Whether `'s` and its like are words.
    var hasContractions = true
    /// Whether `'s` and its like belong to the word before.
    var joinsContractions = false
    /// Whether slashes after other characters belong to them.
    var joinsSlashes = false
    /// Whether punctuation takes the ASCII letters after it and only symbols stand with it.
    var isDeepSeek = false

    static let llama3 = WordPattern(numbers: 3)
    static let qwen2 = WordPattern()
    static let qwen35 = WordPattern(letters: .anyWithMarks)
    static let tekken = WordPattern(letters: .byCase, hasContractions: false, joinsSlashes: true)
    static let gpt4o = WordPattern(
        letters: .byCase, numbers: 3, hasContractions: false, joinsContractions: true,
        joinsSlashes: true)
    static let deepseek3 = WordPattern(
        letters: .anyWithMarks, hasContractions: false, isDeepSeek: true)
}
