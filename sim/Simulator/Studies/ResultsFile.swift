import Foundation

/// The shape of a file of results: `run,step` and the metrics, a row a step or a row a run.
struct ResultsShape: Sendable {
    let header: String
    let columns: Int
    /// The steps of a run that have a row.
    let steps: ClosedRange<Int>
    let runs: Int

    init(_ manifest: StudyManifest, _ model: any SimulationModel.Type) {
        header = "run,step" + model.metrics.map { ",\($0.name)" }.joined()
        columns = model.metrics.count + 2
        let first = (manifest.from?.step ?? 0) + 1
        steps = (manifest.record == .steps ? first : manifest.steps)...manifest.steps
        runs = manifest.runs
    }
}

/// Where each run's rows are, found by reading a file from its start to its end or its first
/// damage.
struct ResultsIndex {
    /// The rows of one run.
    struct Place {
        let file: Int
        let offset: Int
        let length: Int
    }

    private(set) var places: [Place?]
    private(set) var found = 0
    private(set) var files: [URL] = []
    private let shape: ResultsShape

    init(_ shape: ResultsShape) {
        self.shape = shape
        places = Array(repeating: nil, count: shape.runs)
    }

    /// Takes in a file; gives how many of its bytes are whole runs, of how many. A run that is
    /// there twice must be the same twice.
    mutating func add(_ url: URL) throws(StudyFault) -> (whole: Int, all: Int) {
        let number = files.count
        files.append(url)
        var lines = try LineReader(url)
        guard let header = try lines.next() else { return (0, try lines.end()) }
        if String(decoding: header, as: UTF8.self) != shape.header {
            throw StudyFault("\(url.path) has the columns of another model")
        }
        var whole = lines.offset
        var (run, start, step) = (-1, lines.offset, shape.steps.lowerBound)
        while true {
            let before = lines.offset
            guard let line = try lines.next(), let row = read(line) else { break }
            if row.step == shape.steps.lowerBound {
                (run, start, step) = (row.run, before, row.step)
            }
            if row.run != run || row.step != step || run >= shape.runs { break }
            step += 1
            guard row.step == shape.steps.upperBound else { continue }
            try add(run, Place(file: number, offset: start, length: lines.offset - start))
            whole = lines.offset
            run = -1
        }
        return (whole, try lines.end())
    }

    private mutating func add(_ run: Int, _ place: Place) throws(StudyFault) {
        guard let other = places[run] else {
            places[run] = place
            found += 1
            return
        }
        if try bytes(other) != bytes(place) {
            throw StudyFault(
                "run \(run) has other results in \(files[place.file].lastPathComponent) than in "
                    + "\(files[other.file].lastPathComponent): the machines do not agree", .results)
        }
    }

    /// The rows of a run.
    func bytes(_ place: Place) throws(StudyFault) -> Data {
        do {
            let handle = try FileHandle(forReadingFrom: files[place.file])
            defer { try? handle.close() }
            try handle.seek(toOffset: UInt64(place.offset))
            return try handle.read(upToCount: place.length) ?? Data()
        } catch {
            throw StudyFault("\(files[place.file].path) cannot be read")
        }
    }

    /// The run and step of a row with the right number of columns.
    private func read(_ line: ArraySlice<UInt8>) -> (run: Int, step: Int)? {
        var numbers = (0, 0)
        var commas = 0
        for byte in line {
            if byte == UInt8(ascii: ",") {
                commas += 1
                continue
            }
            if commas > 1 { continue }
            guard (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) else { return nil }
            let digit = Int(byte - UInt8(ascii: "0"))
            if commas == 0 { numbers.0 = numbers.0 &* 10 &+ digit }
            if commas == 1 { numbers.1 = numbers.1 &* 10 &+ digit }
        }
        guard commas == shape.columns - 1, numbers.0 >= 0, line.last != UInt8(ascii: ",") else {
            return nil
        }
        return numbers
    }
}

/// A file of results that is written to: one process at a time, a whole run at a time.
final class ResultsWriter: Sendable {
    private let file: AppendedFile
    /// What was there already.
    let index: ResultsIndex

    /// Opens the file, cuts what is not a whole run, and keeps others out.
    init(_ url: URL, _ shape: ResultsShape) throws(StudyFault) {
        file = try AppendedFile(url)
        var index = ResultsIndex(shape)
        let whole = try index.add(url).whole
        self.index = index
        try file.begin(at: whole, header: shape.header)
    }

    /// Appends the rows of a run at once.
    func append(_ bytes: [UInt8]) throws(StudyFault) { try file.append(bytes) }
}
