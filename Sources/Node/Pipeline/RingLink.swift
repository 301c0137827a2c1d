import Primitives
import Synchronization
import Transport

/// One edge of rings: a link to a peer with a queue before it, so that nobody who sends waits.
final class RingLink: Sendable {
    private struct State {
        var unsent = 0
        var isOver = false
        var isAsked = false
        var isProven = false
        var waiters: [CheckedContinuation<Bool, Never>] = []
        var number = JobID.none
        var pings: UInt32 = 0
        /// Who waits for the pong to which ping.
        var pongs: [UInt32: CheckedContinuation<Bool, Never>] = [:]
    }

    let peer: PublicKey
    private let limit: Int
    private let state = Mutex(State())
    private let outgoing: AsyncStream<[UInt8]>
    private let sender: AsyncStream<[UInt8]>.Continuation

    /// A link that is not connected yet; frames can be queued.
    ///
    /// - Parameter limit: bytes in the queue from which on `hasRoom` says no.
    init(peer: PublicKey, limit: Int) {
        self.peer = peer
        self.limit = limit
        (outgoing, sender) = AsyncStream.makeStream()
    }

    /// Whether more should be computed for this link.
    var hasRoom: Bool { state.withLock { $0.unsent < limit } }

    /// Whether nothing can be sent any more.
    var isOver: Bool { state.withLock { $0.isOver } }

    /// Queues a frame; lost if the link is over, which its owner is told.
    func push(_ frame: WireFrame) {
        let bytes = frame.encoded()
        state.withLock { $0.unsent += bytes.count }
        sender.yield(bytes)
    }

    /// Tells the other side the link's number, and waits for its answer: it knows of the link then.
    ///
    /// - Returns: whether it answered within `patience`.
    func prove(number: JobID, patience: Duration) async -> Bool {
        let isNew = state.withLock { state in
            defer { state.isAsked = true }
            return !state.isAsked
        }
        if isNew {
            do {
                push(try WireFrame(kind: .ping, stage: 0, job: number, attempt: 0))
            } catch {
                preconditionFailure("a frame without payload always fits: \(error)")
            }
        }
        let timer = Task {
            try await Task.sleep(for: patience)
            settle()
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { waiter in
            let known = state.withLock { state -> Bool? in
                if state.isProven || state.isOver { return !state.isOver }
                state.waiters.append(waiter)
                return nil
            }
            if let known { waiter.resume(returning: known) }
        }
    }

    /// Tells those who wait for the other side's answer whether it has come.
    private func settle() {
        let (waiters, isProven) = state.withLock {
            state -> ([CheckedContinuation<Bool, Never>], Bool) in
            defer { state.waiters = [] }
            return (state.waiters, state.isProven && !state.isOver)
        }
        for waiter in waiters { waiter.resume(returning: isProven) }
    }

    /// Microseconds to the other side and back, the shortest of some pings; `nil` if one is not
    /// answered within `patience`.
    func roundTrip(pings: Int = 7, patience: Duration) async -> UInt32? {
        var shortest: UInt32?
        for _ in 0..<pings {
            let start = ContinuousClock.now
            guard await isAnswered(patience) else { return nil }
            let trip = start.duration(to: .now) / .microseconds(1)
            shortest = min(shortest ?? .max, UInt32(min(max(trip, 1), 1e9)))
        }
        return shortest
    }

    /// Sends a ping, whose number stands in its position, and waits for the pong.
    private func isAnswered(_ patience: Duration) async -> Bool {
        let number = state.withLock { state in
            state.pings += 1
            return state.pings
        }
        let ping: WireFrame
        do {
            ping = try WireFrame(
                kind: .ping, stage: 0, job: .none, attempt: 0, position: number)
        } catch {
            preconditionFailure("a frame without payload always fits: \(error)")
        }
        let timer = Task {
            try await Task.sleep(for: patience)
            settle(ping: number, false)
        }
        defer { timer.cancel() }
        return await withCheckedContinuation { waiter in
            let isOver = state.withLock { state in
                if !state.isOver { state.pongs[number] = waiter }
                return state.isOver
            }
            if isOver { return waiter.resume(returning: false) }
            push(ping)
        }
    }

    private func settle(ping number: UInt32, _ isAnswered: Bool) {
        state.withLock { $0.pongs.removeValue(forKey: number) }?.resume(returning: isAnswered)
    }

    /// The number that the other side gave this link; one, the first.
    var number: JobID { state.withLock { $0.number } }

    /// A ping came with a number.
    func announced(_ number: JobID) {
        state.withLock { if $0.number == .none { $0.number = number } }
    }

    /// A pong came, to the ping with this number.
    func answered(_ ping: UInt32) {
        state.withLock { $0.isProven = true }
        settle()
        settle(ping: ping, true)
    }

    /// Carries frames both ways until the link ends or the task is cancelled, and says why.
    ///
    /// - Parameters:
    ///   - onRoom: called when `hasRoom` becomes true again.
    ///   - receive: takes each frame; while it waits, nothing is read.
    func run(
        _ connect: @Sendable () async throws(SecureLinkError) -> SecureLink,
        onRoom: @escaping @Sendable () -> Void,
        receive: @escaping @Sendable ([UInt8]) async -> Void
    ) async -> String {
        let reason: String
        do throws(SecureLinkError) {
            let link = try await connect()
            reason = await carry(link, onRoom, receive)
            link.close()
        } catch {
            reason = "\(error)"
        }
        abandon()
        return reason
    }

    /// Nothing is carried any more.
    func abandon() {
        let pongs = state.withLock { state in
            state.isOver = true
            defer { state.pongs = [:] }
            return Array(state.pongs.values)
        }
        for waiter in pongs { waiter.resume(returning: false) }
        sender.finish()
        settle()
    }

    private func carry(
        _ link: SecureLink, _ onRoom: @escaping @Sendable () -> Void,
        _ receive: @escaping @Sendable ([UInt8]) async -> Void
    ) async -> String {
        await withTaskGroup(of: String.self) { group in
            group.addTask {
                do throws(SecureLinkError) {
                    for await bytes in self.outgoing {
                        try await link.send(bytes)
                        if self.sent(bytes.count) { onRoom() }
                    }
                    return "this side closed the link"
                } catch {
                    return "\(error)"
                }
            }
            group.addTask {
                do throws(SecureLinkError) {
                    while let bytes = try await link.receive() { await receive(bytes) }
                    return "the other side closed the link"
                } catch {
                    return "\(error)"
                }
            }
            let reason = await group.next() ?? ""
            group.cancelAll()
            link.close()
            return reason
        }
    }

    /// Whether there is room again.
    private func sent(_ count: Int) -> Bool {
        state.withLock { state in
            let hadRoom = state.unsent < limit
            state.unsent -= count
            return !hadRoom && state.unsent < limit
        }
    }
}
