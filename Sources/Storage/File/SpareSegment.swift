import Dispatch
import Synchronization

/// Makes the next segment ahead of its use, on a thread of its own: reserved, filled with zeros
/// and synced, so that a commit into it changes nothing but its bytes.
final class SpareSegment: Sendable {
    private struct State {
        var file: (any DiskFile)?
        var bytes = 0
        var running = false
        var failure: DiskError?
    }

    private let disk: any Disk
    private let queue: DispatchQueue?
    private let state = Mutex(State())

    /// The spare of a folder, made in the background or, for a simulation, by the caller's thread.
    init(_ disk: any Disk, inBackground: Bool) {
        self.disk = disk
        queue = inBackground ? DispatchQueue(label: "exchequer.journal.spare") : nil
    }

    /// Why the spare could not be made, if it could not.
    var failure: DiskError? { state.withLock { $0.failure } }

    /// Bytes of the spare that is there or being made.
    var bytes: Int { state.withLock { $0.bytes } }

    /// Starts to make the spare unless that was done before.
    func prepare(_ bytes: Int) {
        let start = state.withLock { state in
            let start = !state.running && state.file == nil && state.failure == nil
            if start {
                state.running = true
                state.bytes = bytes
            }
            return start
        }
        guard start else { return }
        if let queue { queue.async { [self] in make(bytes) } } else { make(bytes) }
    }

    /// Gives the spare away, at least `bytes` long; waits for it or makes it. Its name is still
    /// `SegmentName.spare`.
    func take(_ bytes: Int) throws(DiskError) -> (file: any DiskFile, bytes: Int) {
        prepare(bytes)
        queue?.sync {}
        if let short = state.withLock({ $0.failure == nil && $0.bytes < bytes ? $0.file : nil }) {
            fill(short, to: bytes)
        }
        return try state.withLock { (state) throws(DiskError) in
            if let failure = state.failure { throw failure }
            guard let file = state.file else { throw .failed(0, "the spare segment is gone") }
            defer { state = State() }
            return (file, state.bytes)
        }
    }

    /// Waits for what runs and removes the spare.
    func close() {
        queue?.sync {}
        let file = state.withLock { state in
            defer { state.file = nil }
            return state.failure == nil ? state.file : nil
        }
        // What stays is removed at the next opening.
        if file != nil { try? disk.remove(SegmentName.spare) }
    }

    private func make(_ bytes: Int) {
        do throws(DiskError) {
            fill(try disk.create(SegmentName.spare), to: bytes)
        } catch {
            state.withLock { $0.failure = error }
        }
        state.withLock { $0.running = false }
    }

    /// Reserving alone would leave extents marked as unwritten, and each commit would have to
    /// change that mark: 1.6 times as slow here.
    private func fill(_ file: any DiskFile, to bytes: Int) {
        do throws(DiskError) {
            try file.allocate(bytes)
            let zeros = DiskBuffer(min(1 << 20, bytes))
            for offset in stride(from: 0, to: bytes, by: zeros.count) {
                try file.write(zeros, count: min(zeros.count, bytes - offset), at: offset)
                // Little at a time, so that commits meanwhile do not wait behind all of it.
                if offset % (8 << 20) == 7 << 20 { try file.sync() }
            }
            try file.sync()
            state.withLock { state in
                state.file = file
                state.bytes = bytes
            }
        } catch {
            state.withLock { $0.failure = error }
        }
    }
}
