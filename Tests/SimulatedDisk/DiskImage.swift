import Primitives

/// The files of a simulated folder: what reads show and what the disk keeps.
struct DiskImage {
    /// A change that is not durable yet.
    enum Change {
        case write(Int, [UInt8])
        case size(Int)
    }

    struct File {
        /// What reads show.
        var current: [UInt8] = []
        /// What the disk keeps.
        var durable: [UInt8] = []
        /// What happened to `current` and not yet to `durable`.
        var pending: [Change] = []
    }

    enum NameChange {
        case add(String, Int)
        case move(String, String)
        case drop(String)
    }

    static let sector = 512

    var files: [Int: File] = [:]
    var names: [String: Int] = [:]
    var durableNames: [String: Int] = [:]
    var pendingNames: [NameChange] = []
    /// How often what went wrong by chance.
    var faults: [DiskFault: Int] = [:]
    private var lastFile = 0

    mutating func make(_ name: String) -> Int {
        lastFile += 1
        files[lastFile] = File()
        change(.add(name, lastFile))
        return lastFile
    }

    mutating func change(_ change: NameChange) {
        DiskImage.apply(change, to: &names)
        pendingNames.append(change)
    }

    mutating func syncNames() {
        durableNames = names
        pendingNames = []
    }

    /// Changes what reads show; `lasting` for what a sync later makes durable.
    mutating func change(_ file: Int, _ change: Change, lasting: Bool) {
        DiskImage.apply(change, to: &files[file, default: File()].current) { _ in true }
        if lasting { files[file]?.pending.append(change) }
    }

    /// Writes to the disk itself, past what is pending: `keeps` says for each sector whether it is
    /// written.
    mutating func writeThrough(
        _ file: Int, at offset: Int, _ bytes: [UInt8], keeps: (Int) -> Bool = { _ in true }
    ) {
        let kept = (0...bytes.count / DiskImage.sector).map(keeps)
        let change = Change.write(offset, bytes)
        DiskImage.apply(change, to: &files[file, default: File()].durable) { kept[$0] }
        DiskImage.apply(change, to: &files[file, default: File()].current) { kept[$0] }
    }

    /// Makes everything of a file durable.
    mutating func sync(_ file: Int) {
        guard let pending = files[file]?.pending else { return }
        for change in pending {
            DiskImage.apply(change, to: &files[file, default: File()].durable) { _ in true }
        }
        files[file]?.pending = []
    }

    /// Makes any part of a file durable and forgets the rest, while reads go on to show it.
    mutating func dropPages(_ file: Int, _ numbers: inout SplitMix64) {
        guard let pending = files[file]?.pending else { return }
        for change in pending { keepSome(of: change, file, tornSectors: 0, &numbers) }
        files[file]?.pending = []
    }

    /// Loses any of what is not durable: sectors of writes, sizes, names.
    mutating func crash(_ faults: DiskFaults, _ numbers: inout SplitMix64) {
        for id in files.keys.sorted() {
            for change in files[id]?.pending ?? [] {
                keepSome(of: change, id, tornSectors: faults.tornSectors, &numbers)
            }
        }
        // A file system with a log keeps the first changes of names; others keep any.
        let kept = Int.random(in: 0...pendingNames.count, using: &numbers)
        let inOrder = Bool.random(using: &numbers)
        for (place, change) in pendingNames.enumerated() {
            let isKept = inOrder ? place < kept : Bool.random(using: &numbers)
            if isKept { DiskImage.apply(change, to: &durableNames) }
        }
        settle()
        if numbers.happens(faults.bitFlips) { flipOneBit(&numbers) }
    }

    /// Loses all of what is not durable.
    mutating func loseEverything() { settle() }

    private mutating func settle() {
        names = durableNames
        pendingNames = []
        let used = Set(names.values)
        for id in files.keys.sorted() {
            guard used.contains(id), let durable = files[id]?.durable else {
                files[id] = nil
                continue
            }
            files[id] = File(current: durable, durable: durable)
        }
    }

    private mutating func flipOneBit(_ numbers: inout SplitMix64) {
        let name = names.keys.sorted().randomElement(using: &numbers)
        guard let name, let id = names[name], let count = files[id]?.durable.count, count > 0
        else { return }
        let place = Int.random(in: 0..<count, using: &numbers)
        let mask = UInt8(1) << UInt8.random(in: 0..<8, using: &numbers)
        files[id]?.durable[place] ^= mask
        files[id]?.current[place] ^= mask
        faults[.bitFlip, default: 0] += 1
    }

    private mutating func keepSome(
        of change: Change, _ file: Int, tornSectors: Double, _ numbers: inout SplitMix64
    ) {
        // Often all or nothing: a cache that was just written back, or was not at all.
        let shares: [Double] = [0, 0.2, 0.5, 0.8, 1]
        let share = shares.randomElement(using: &numbers) ?? 0
        switch change {
        case .size:
            if numbers.happens(share) {
                DiskImage.apply(change, to: &files[file, default: File()].durable) { _ in true }
            }
        case .write(let offset, let bytes):
            for start in stride(from: 0, to: bytes.count, by: DiskImage.sector) {
                guard numbers.happens(share) else { continue }
                var end = min(start + DiskImage.sector, bytes.count)
                if numbers.happens(tornSectors) {
                    end = Int.random(in: start..<end, using: &numbers)
                    faults[.tornSector, default: 0] += 1
                }
                let part = Change.write(offset + start, Array(bytes[start..<end]))
                DiskImage.apply(part, to: &files[file, default: File()].durable) { _ in true }
            }
        }
    }

    private static func apply(
        _ change: Change, to bytes: inout [UInt8], sectors: (Int) -> Bool
    ) {
        switch change {
        case .size(let count):
            if bytes.count < count { bytes += Array(repeating: 0, count: count - bytes.count) }
        case .write(let offset, let new):
            for start in stride(from: 0, to: new.count, by: sector)
            where sectors(start / sector) {
                let end = min(start + sector, new.count)
                if bytes.count < offset + end {
                    bytes += Array(repeating: 0, count: offset + end - bytes.count)
                }
                bytes.replaceSubrange(offset + start..<offset + end, with: new[start..<end])
            }
        }
    }

    private static func apply(_ change: NameChange, to names: inout [String: Int]) {
        switch change {
        case .add(let name, let file): names[name] = file
        case .move(let old, let new):
            // A change of a name that a crash has lost changes nothing.
            if let file = names.removeValue(forKey: old) { names[new] = file }
        case .drop(let name): names[name] = nil
        }
    }
}
