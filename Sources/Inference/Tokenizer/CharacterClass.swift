/// What pre-tokenizers ask of a character: its general category in Unicode 15.1 by first letter,
/// or white space. The standard library's properties are not used: their Unicode version depends
/// on the system, and the same text must give the same tokens everywhere.
enum CharacterClass: UInt8 {
    case other = 0
    case letter = 1
    case number = 2
    case mark = 3
    case punctuation = 4
    case symbol = 5
    case space = 6

    /// The class of a code point; O(1).
    init(_ point: UInt32) {
        self = Self.pages[Int(Self.places[Int(point >> 8)]) << 8 | Int(point & 0xff)]
    }

    private static let (places, pages) = makePages()

    /// Two levels: the place of each block of 256 code points, and the blocks that differ.
    private static func makePages() -> ([UInt16], [CharacterClass]) {
        var places: [UInt16] = []
        var pages: [CharacterClass] = []
        var known: [[CharacterClass]: UInt16] = [:]
        var run = 0
        let runs = CharacterClassTable.runs
        for block in UInt32(0)..<0x1100 {
            var page: [CharacterClass] = []
            for point in block << 8..<(block + 1) << 8 {
                while run + 1 < runs.count, runs[run + 1] >> 3 <= point { run += 1 }
                page.append(CharacterClass(rawValue: UInt8(runs[run] & 7)) ?? .other)
            }
            if let place = known[page] {
                places.append(place)
                continue
            }
            let place = UInt16(pages.count >> 8)
            known[page] = place
            places.append(place)
            pages += page
        }
        return (places, pages)
    }
}
