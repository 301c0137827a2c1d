import Storage
import Synchronization

/// A `SimulatedDisk` as one process has it.
final class MountedDisk: Disk {
    let disk: SimulatedDisk
    let mount: Int

    init(_ disk: SimulatedDisk, _ mount: Int) {
        self.disk = disk
        self.mount = mount
    }

    func list() throws(DiskError) -> [String] {
        try perform(.list) { state in state.image.names.keys.sorted() }
    }

    func create(_ name: String) throws(DiskError) -> any DiskFile {
        let file = try perform(.create, name) { state throws(DiskError) in
            guard state.image.names[name] == nil else { throw .failed(17, "\(name) exists") }
            return state.image.make(name)
        }
        return MountedFile(self, file)
    }

    func open(_ name: String) throws(DiskError) -> any DiskFile {
        let file = try perform(.open, name) { state throws(DiskError) in
            guard let file = state.image.names[name] else { throw .failed(2, "no \(name)") }
            return file
        }
        return MountedFile(self, file)
    }

    func rename(_ name: String, to newName: String) throws(DiskError) {
        try perform(.rename, name) { state throws(DiskError) in
            guard state.image.names[name] != nil else { throw .failed(2, "no \(name)") }
            state.image.change(.move(name, newName))
        }
    }

    func remove(_ name: String) throws(DiskError) {
        try perform(.remove, name) { state throws(DiskError) in
            guard state.image.names[name] != nil else { throw .failed(2, "no \(name)") }
            state.image.change(.drop(name))
        }
    }

    /// A failed sync leaves the names as they were: a file system that cannot write its log stops.
    func syncFolder() throws(DiskError) {
        try perform(.syncFolder) { state in state.image.syncNames() }
    }

    /// What is left of the capacity.
    func free() throws(DiskError) -> Int? {
        disk.state.withLock { state in
            let used = state.image.files.keys.sorted().reduce(0) { $0 + state.bytes(of: $1) }
            return state.capacity.map { $0 - used }
        }
    }

    /// Runs one call with whatever is to go wrong with it. `half` does a part of it.
    func perform<Value>(
        _ kind: DiskOperation.Kind, _ name: String = "", of file: Int? = nil, offset: Int = 0,
        count: Int = 0,
        half: (inout SimulatedDisk.State) -> Void = { _ in },
        _ whole: (inout SimulatedDisk.State) throws(DiskError) -> Value
    ) throws(DiskError) -> Value {
        try disk.state.withLock { (state) throws(DiskError) in
            guard state.mount == mount else { throw .failed(5, "the process has ended") }
            // A file's name may have changed since it was opened.
            let name = state.image.names.first { $0.value == file }?.key ?? name
            var operation = DiskOperation(
                kind: kind, name: name, offset: offset, count: count, succeeded: false)
            defer { state.log.append(operation) }
            switch state.failure(of: kind) {
            case nil:
                let value = try whole(&state)
                operation.succeeded = true
                return value
            case .error: throw .failed(5, "\(kind) \(name): injected")
            case .full: throw .full("\(kind) \(name): injected")
            case .errorAfterwards:
                _ = try whole(&state)
                throw .failed(5, "\(kind) \(name): injected")
            case .errorMeanwhile:
                half(&state)
                throw .failed(5, "\(kind) \(name): injected")
            case .crashBefore: break
            case .crashAfterwards: _ = try whole(&state)
            case .crashMeanwhile: half(&state)
            }
            state.crash()
            throw .failed(5, "\(kind) \(name): the power failed")
        }
    }
}

/// An open file of a `SimulatedDisk`.
private final class MountedFile: DiskFile {
    private let folder: MountedDisk
    private let file: Int

    init(_ folder: MountedDisk, _ file: Int) {
        self.folder = folder
        self.file = file
    }

    func size() throws(DiskError) -> Int {
        try folder.perform(.size, of: file) { state in state.bytes(of: file) }
    }

    func allocate(_ bytes: Int) throws(DiskError) {
        try folder.perform(.allocate, of: file, count: bytes) { state throws(DiskError) in
            try state.require(room: bytes, file)
            state.image.change(file, .size(bytes), lasting: true)
        }
    }

    func read(
        into buffer: DiskBuffer, at place: Int, count: Int, from offset: Int
    ) throws(DiskError) -> Int {
        let bytes = try folder.perform(.read, of: file, offset: offset, count: count) { state in
            let current = state.image.files[file]?.current ?? []
            var found = max(min(count, current.count - offset), 0)
            if found > 1, state.numbers.happens(state.faults.shortReads) {
                found = Int.random(in: 1..<found, using: &state.numbers)
                state.inject(.shortRead)
            }
            return found == 0 ? [] : Array(current[offset..<offset + found])
        }
        buffer.copy(0..<bytes.count, of: bytes, to: place)
        return bytes.count
    }

    func write(_ buffer: DiskBuffer, count: Int, at offset: Int) throws(DiskError) {
        let bytes = buffer.bytes(0..<count)
        try folder.perform(.write, of: file, offset: offset, count: count) { state in
            // In part in the page cache, to be written at some time.
            for start in stride(from: 0, to: count, by: 512)
            where Bool.random(using: &state.numbers) {
                let part = DiskImage.Change.write(
                    offset + start, Array(bytes[start..<min(start + 512, count)]))
                state.image.change(file, part, lasting: true)
            }
        } _: { state throws(DiskError) in
            try state.require(room: offset + count, file)
            state.image.change(file, .write(offset, bytes), lasting: true)
        }
    }

    func writeDurably(_ buffer: DiskBuffer, count: Int, at offset: Int) throws(DiskError) {
        let bytes = buffer.bytes(0..<count)
        try folder.perform(.writeDurably, of: file, offset: offset, count: count) { state in
            state.writeSome(file, at: offset, bytes)
        } _: { state throws(DiskError) in
            guard offset + count <= state.bytes(of: file) else {
                throw .failed(22, "a durable write beyond the end")
            }
            var offset = offset
            if state.numbers.happens(state.faults.misdirectedWrites) {
                let last = (state.bytes(of: file) - count) / DiskImage.sector
                offset = Int.random(in: 0...last, using: &state.numbers) * DiskImage.sector
                state.inject(.misdirectedWrite)
            }
            state.image.writeThrough(file, at: offset, bytes)
        }
    }

    func sync() throws(DiskError) {
        let failing = { (state: inout SimulatedDisk.State) in
            state.image.dropPages(self.file, &state.numbers)
        }
        do throws(DiskError) {
            try folder.perform(.sync, of: file, half: failing) { state in state.image.sync(file) }
        } catch {
            folder.disk.state.withLock { state in
                if state.mount == folder.mount { failing(&state) }
            }
            throw error
        }
    }
}

extension SimulatedDisk.State {
    func bytes(of file: Int) -> Int { image.files[file]?.current.count ?? 0 }

    /// Throws `full` if a file of `bytes` would be over the capacity.
    mutating func require(room bytes: Int, _ file: Int) throws(DiskError) {
        guard let capacity, bytes > self.bytes(of: file) else { return }
        let used = image.files.keys.sorted().reduce(0) { $0 + self.bytes(of: $1) }
        guard used + bytes - self.bytes(of: file) <= capacity else {
            image.faults[.full, default: 0] += 1
            throw .full("the simulated disk is full")
        }
    }

    /// A durable write that did not end: the disk has any of its sectors. Where it was a write and
    /// a sync, reads show all of them until the next crash.
    mutating func writeSome(_ file: Int, at offset: Int, _ bytes: [UInt8]) {
        let shares: [Double] = [0.05, 0.3, 0.7, 0.95]
        let share = shares.randomElement(using: &numbers) ?? 0.5
        var kept: [Bool] = []
        for _ in 0...bytes.count / DiskImage.sector { kept.append(numbers.happens(share)) }
        image.writeThrough(file, at: offset, bytes) { kept[$0] }
        if buffersWrites { image.change(file, .write(offset, bytes), lasting: false) }
        guard numbers.happens(faults.tornSectors), let place = kept.firstIndex(of: false) else {
            return
        }
        let start = place * DiskImage.sector
        let part = bytes[start..<min(start + DiskImage.sector, bytes.count)]
        guard part.count > 1 else { return }
        let torn = part.prefix(Int.random(in: 1..<part.count, using: &numbers))
        image.writeThrough(file, at: offset + start, Array(torn))
        image.faults[.tornSector, default: 0] += 1
    }
}
