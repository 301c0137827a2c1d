import Foundation

/// A file's lines, a mebibyte at a time.
struct LineReader {
    /// Where the next line begins.
    private(set) var offset = 0
    private let handle: FileHandle
    private let path: String
    private let longest: Int
    private var buffer: [UInt8] = []
    private var place = 0

    /// The lines of a file; one that is longer than `longest` is an error.
    init(_ url: URL, longest: Int = .max) throws(StudyFault) {
        path = url.path
        self.longest = longest
        do {
            handle = try FileHandle(forReadingFrom: url)
        } catch {
            throw StudyFault("\(url.path) cannot be read")
        }
    }

    /// The next line without its end; `nil` where no whole line is left.
    mutating func next() throws(StudyFault) -> ArraySlice<UInt8>? {
        var from = place
        while true {
            if let end = buffer[from...].firstIndex(of: UInt8(ascii: "\n")) {
                defer {
                    offset += end + 1 - place
                    place = end + 1
                }
                try check(end - place)
                return buffer[place..<end]
            }
            try check(buffer.count - place)
            from = buffer.count - place
            let more = try read()
            if more.isEmpty { return nil }
            buffer.removeSubrange(..<place)
            place = 0
            buffer += more
        }
    }

    /// What stands behind the last line end, once no whole line is left; `nil` for nothing.
    mutating func rest() throws(StudyFault) -> ArraySlice<UInt8>? {
        guard place < buffer.count else { return nil }
        defer {
            offset += buffer.count - place
            place = buffer.count
        }
        try check(buffer.count - place)
        return buffer[place...]
    }

    /// The length of the file.
    func end() throws(StudyFault) -> Int {
        do { return Int(try handle.seekToEnd()) } catch {
            throw StudyFault("\(path) cannot be read")
        }
    }

    private func check(_ length: Int) throws(StudyFault) {
        if length > longest { throw StudyFault("the line has over \(longest) bytes") }
    }

    private func read() throws(StudyFault) -> Data {
        do {
            return try handle.read(upToCount: 1 << 20) ?? Data()
        } catch {
            throw StudyFault("\(path) cannot be read")
        }
    }
}
