import Cryptography
import Foundation
import Primitives

/// What a finished study comes to.
public struct StudyDigest: Codable, Hashable, Sendable {
    /// SHA-256 of `final.csv` and `results.csv`, one after the other, in hexadecimal.
    public var digest: String
    /// Runs in all.
    public var runs: Int
}

/// Puts the results of a study's shards together: one file of results sorted by run, the tables
/// that follow from it, and one digest, which is the same however the study was divided.
public struct StudyMerge {
    private let model: any SimulationModel.Type
    private let sources: [StudyFolder]
    private var folder: StudyFolder { sources[0] }

    /// Merges the results in these folders, which must be of one study, into the first.
    public init(_ model: any SimulationModel.Type, _ sources: [StudyFolder]) {
        precondition(!sources.isEmpty)
        self.model = model
        self.sources = sources
    }

    /// How many runs of how many are there.
    public func status() throws(StudyFault) -> (done: Int, total: Int) {
        let (_, index) = try read()
        return (index.found, index.places.count)
    }

    /// Writes `results.csv`, `final.csv`, `Y.csv`, `bands.csv`, `indices.csv`, `SHA256SUMS`. Throws
    /// where a run is missing or two shards disagree.
    public func finish() throws(StudyFault) -> StudyDigest {
        let (manifest, index) = try read()
        if index.found < index.places.count {
            let missing = index.places.indices.filter { index.places[$0] == nil }
            let first = missing.prefix(5).map(String.init).joined(separator: ", ")
            throw StudyFault(
                "\(missing.count) of \(index.places.count) runs are missing, among them \(first); "
                    + "run their shards again", .results)
        }
        try sort(index, ResultsShape(manifest, model))
        let tables = StudyTables(manifest, model, folder)
        try tables.write()
        return try digest(runs: manifest.runs)
    }

    private func read() throws(StudyFault) -> (StudyManifest, ResultsIndex) {
        var manifest: StudyManifest?
        for source in sources {
            guard let one = try source.manifest() else {
                throw StudyFault("\(source.url.path) has no manifest.json")
            }
            if let manifest, let problem = manifest.problem(with: one) {
                throw StudyFault("\(source.url.path) has results of \(problem)")
            }
            manifest = manifest ?? one
        }
        guard let manifest else { throw StudyFault("there is no folder") }
        if manifest.model != model.name { throw StudyFault("the study is of \(manifest.model)") }
        var index = ResultsIndex(ResultsShape(manifest, model))
        for source in sources { for file in source.allResults() { _ = try index.add(file) } }
        return (manifest, index)
    }

    /// Writes `results.csv` in the order of runs, unless it is so already.
    private func sort(_ index: ResultsIndex, _ shape: ResultsShape) throws(StudyFault) {
        let target = folder.file("results.csv")
        var next = shape.header.utf8.count + 1
        let isSorted = index.places.allSatisfy { place in
            guard let place else { return false }
            defer { next += place.length }
            return index.files[place.file] == target && place.offset == next
        }
        if isSorted { return }
        let part = folder.file("results.csv.part")
        let output = try FileOutput(part)
        try output.write(Array((shape.header + "\n").utf8))
        let input = try index.files.map(RandomReader.init)
        for place in index.places {
            guard let place else { continue }
            try output.write(try input[place.file].read(place.offset, place.length))
        }
        try output.finish()
        if unsafe rename(part.path, target.path) != 0 {
            throw StudyFault("\(target.path) cannot be written", .disk)
        }
    }

    private func digest(runs: Int) throws(StudyFault) -> StudyDigest {
        var all = SHA256()
        var sums = ""
        for name in ["final.csv", "results.csv"] {
            var one = SHA256()
            let reader = try RandomReader(folder.file(name))
            while true {
                let bytes = try reader.next(1 << 20)
                if bytes.isEmpty { break }
                one.update(bytes)
                all.update(bytes)
            }
            sums += "\(Hex.encode(one.finish().bytes))  \(name)\n"
        }
        try folder.write(Data(sums.utf8), to: "SHA256SUMS")
        return StudyDigest(digest: Hex.encode(all.finish().bytes), runs: runs)
    }
}

/// A file that is written from its start, in parts of a mebibyte.
final class FileOutput {
    private let handle: FileHandle
    private let path: String
    private var buffer: [UInt8] = []

    init(_ url: URL) throws(StudyFault) {
        path = url.path
        let descriptor = unsafe open(url.path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        if descriptor < 0 { throw StudyFault("\(url.path) cannot be written", .disk) }
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    }

    func write(_ bytes: some Sequence<UInt8>) throws(StudyFault) {
        buffer += bytes
        if buffer.count >= 1 << 20 { try finish() }
    }

    /// Writes what is left.
    func finish() throws(StudyFault) {
        do {
            try handle.write(contentsOf: buffer)
        } catch {
            throw StudyFault("\(path) cannot be written; is the disk full?", .disk)
        }
        buffer.removeAll(keepingCapacity: true)
    }
}

/// A file that is read at any place.
final class RandomReader {
    private let handle: FileHandle
    private let path: String

    init(_ url: URL) throws(StudyFault) {
        path = url.path
        do {
            handle = try FileHandle(forReadingFrom: url)
        } catch {
            throw StudyFault("\(url.path) cannot be read")
        }
    }

    /// Bytes from a place on.
    func read(_ offset: Int, _ length: Int) throws(StudyFault) -> [UInt8] {
        do {
            try handle.seek(toOffset: UInt64(offset))
            return Array(try handle.read(upToCount: length) ?? Data())
        } catch {
            throw StudyFault("\(path) cannot be read")
        }
    }

    /// The next bytes, at most so many; none at the end.
    func next(_ length: Int) throws(StudyFault) -> [UInt8] {
        do {
            return Array(try handle.read(upToCount: length) ?? Data())
        } catch {
            throw StudyFault("\(path) cannot be read")
        }
    }
}
