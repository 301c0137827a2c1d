public import Primitives
import Synchronization

/// A state machine that lives by a log of its inputs: the same inputs at the same times give the
/// same state and the same actions, which are carried out only when the input is durable.
public protocol LoggedMachine: Sendable {
    /// What happens to it.
    associatedtype Input: CanonicalCodable & Sendable
    /// What it wants done.
    associatedtype Action: Sendable
    /// Why it refuses an input; then nothing has changed.
    associatedtype Rejection: Error, Hashable, Sendable
    /// What it goes by.
    associatedtype Policy: Sendable
    /// What it goes by now.
    var policy: Policy { get }
    /// A machine in the state that these canonical bytes are of.
    init(policy: Policy, stateBytes: [UInt8]) throws(CodecError)
    /// Takes an input and returns what is to be done, in order.
    mutating func apply(_ input: Input, at now: Timestamp) throws(Rejection) -> [Action]
    /// The canonical bytes of the state.
    var stateBytes: [UInt8] { get }
    /// Time passed.
    static var tick: Input { get }
    /// Whether carrying an action out changes nothing anywhere, so that it may be forgotten.
    static func onlyAsks(_ action: Action) -> Bool
    /// The intent of which an action tells the outcome, if it does.
    static func told(by action: Action) -> Digest?
    /// Whether a tick now would change nothing and want nothing: then it need not be given.
    func isIdle(at now: Timestamp) -> Bool
}

extension LoggedMachine {
    /// Every tick is given.
    public func isIdle(at now: Timestamp) -> Bool { false }
}

/// Why a manager's driver ended, or did not take an input.
public enum ManagerDriverError<Rejection: Error & Hashable & Sendable>: Error, Equatable, Sendable {
    /// The state or the records are not what a driver writes.
    case damaged(CodecError)
    /// A record could not be made durable; says why.
    case notDurable(String)
    /// The driver is not running.
    case stopped
    /// The manager refused the input.
    case refused(Rejection)
}

/// Feeds a logged machine: one input after the other, each durable before what follows from it.
final class MachineRunner<Machine: LoggedMachine>: Sendable {
    typealias Failure = ManagerDriverError<Machine.Rejection>
    typealias Durable = @Sendable ([[UInt8]]) async throws -> Void
    /// Is shown the machine when all that led to it is durable, before any of it is carried out.
    typealias Sealed = @Sendable (Machine) async throws -> Void

    private let durable: Durable
    private let sealed: Sealed
    private let clock: @Sendable () -> Timestamp
    private let tick: Duration
    private let shared: Mutex<Shared>
    /// How many records were made durable.
    private let made = Atomic(0)
    /// Whether it has ended in order.
    private let isAtRest = Atomic(false)
    private let letters: AsyncStream<Letter>
    private let inbox: AsyncStream<Letter>.Continuation
    /// How many records that led to questions only may be written together.
    private static var mostUnwritten: Int { 64 }

    /// The machine, and the intents of which it has said what is not durable yet.
    struct Shared: Sendable {
        var machine: Machine
        var unsaid: Set<Digest> = []

        mutating func apply(
            _ input: Machine.Input, at time: Timestamp
        ) throws(Machine.Rejection) -> [Machine.Action] {
            let actions = try machine.apply(input, at: time)
            for action in actions {
                if let id = Machine.told(by: action) { unsaid.insert(id) }
            }
            return actions
        }
    }

    /// An input on its way to the machine, or a look at its state.
    private struct Letter: Sendable {
        let input: Machine.Input?
        let reply: CheckedContinuation<Reply, Never>?
    }

    private enum Reply: Sendable {
        case taken
        case state([UInt8], records: Int)
        case failed(Failure)
    }

    /// A runner that goes on from a machine and the records since. What is posted before it runs is
    /// given to the machine first.
    init(
        _ machine: Machine, records: [[UInt8]], durable: @escaping Durable,
        sealed: @escaping Sealed = { _ in }, clock: @escaping @Sendable () -> Timestamp,
        tick: Duration
    ) throws(CodecError) {
        var machine = machine
        for record in records {
            let (time, input) = try Self.read(record)
            // What the machine refuses was never made a record.
            do { _ = try machine.apply(input, at: time) } catch { throw .invalidValue("record") }
        }
        shared = Mutex(Shared(machine: machine))
        self.durable = durable
        self.sealed = sealed
        self.clock = clock
        self.tick = tick
        (letters, inbox) = AsyncStream.makeStream()
    }

    /// A record: the time in 8 bytes and the input's canonical bytes.
    private static func record(_ input: Machine.Input, at time: Timestamp) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(time)
        input.encode(into: &writer)
        return writer.bytes
    }

    private static func read(
        _ record: [UInt8]
    ) throws(CodecError) -> (Timestamp, Machine.Input) {
        var reader = ByteReader(record)
        let time: Timestamp = try reader.read()
        let input: Machine.Input = try reader.read()
        try reader.finish()
        return (time, input)
    }

    /// Looks at the machine, and at whose outcome must not be shown yet.
    func look<Value: Sendable>(_ body: (Shared) -> Value) -> Value {
        shared.withLock { body($0) }
    }

    /// Gives the machine an input; returns when it is durable.
    func send(_ input: Machine.Input) async throws(Failure) {
        _ = try await ask(input)
    }

    /// The state after so many records of this runner's.
    func state() async throws(Failure) -> (bytes: [UInt8], records: Int) {
        guard case .state(let bytes, let records) = try await ask(nil) else { return ([], 0) }
        return (bytes, records)
    }

    /// The state when `run` has ended in order, and how many records of this runner's are in it; so
    /// is what led to questions only, and was not written. `nil` before that, and if a record could
    /// not be made durable, or if it cannot be read again: only what can takes the records' place.
    func stateAtRest() -> (bytes: [UInt8], records: Int)? {
        guard isAtRest.load(ordering: .acquiring) else { return nil }
        let (policy, bytes) = look { ($0.machine.policy, $0.machine.stateBytes) }
        guard (try? Machine(policy: policy, stateBytes: bytes)) != nil else { return nil }
        return (bytes, made.load(ordering: .relaxed))
    }

    private func ask(_ input: Machine.Input?) async throws(Failure) -> Reply {
        let reply = await withCheckedContinuation { continuation in
            let letter = Letter(input: input, reply: continuation)
            if case .enqueued = inbox.yield(letter) { return }
            continuation.resume(returning: Reply.failed(.stopped))
        }
        if case .failed(let error) = reply { throw error }
        return reply
    }

    /// Gives the machine an input when its turn comes.
    func post(_ input: Machine.Input) {
        inbox.yield(Letter(input: input, reply: nil))
    }

    // MARK: Running

    /// Works until the task is cancelled or a record cannot be made durable. Once only.
    func run(
        _ carryOut: @escaping @Sendable (Machine.Action) async -> Void
    ) async throws(Failure) {
        let failure = await withTaskGroup(of: Failure?.self) { group in
            group.addTask { await self.beat() }
            group.addTask { await self.work(carryOut) }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
        if let failure { throw failure }
    }

    private func beat() async -> Failure? {
        while !Task.isCancelled {
            try? await Task.sleep(for: tick)
            let now = clock()
            if !look({ $0.machine.isIdle(at: now) }) { post(Machine.tick) }
        }
        inbox.finish()
        return nil
    }

    /// Takes one letter after the other; what its actions ask of nodes runs beside.
    private func work(
        _ carryOut: @escaping @Sendable (Machine.Action) async -> Void
    ) async -> Failure? {
        // Discarding: a runner lives as long as its house, and nobody waits for these.
        await withDiscardingTaskGroup(returning: Failure?.self) { group in
            var failure: Failure?
            var unwritten: [[UInt8]] = []
            for await letter in letters {
                if let failure {
                    letter.reply?.resume(returning: .failed(failure))
                    continue
                }
                switch await take(letter, &unwritten) {
                case .success(let actions):
                    for action in actions { group.addTask { await carryOut(action) } }
                case .failure(let error):
                    failure = error
                    inbox.finish()
                }
            }
            group.cancelAll()
            isAtRest.store(failure == nil, ordering: .releasing)
            return failure
        }
    }

    /// Applies an input and makes it durable, with those before it. Only then do its actions leave
    /// this function, unless all they do is ask: if that is forgotten, it is asked again.
    private func take(
        _ letter: Letter, _ unwritten: inout [[UInt8]]
    ) async -> Result<[Machine.Action], Failure> {
        var actions: [Machine.Action] = []
        if let input = letter.input {
            let time = clock()
            do throws(Machine.Rejection) {
                actions = try shared.withLock { shared throws(Machine.Rejection) in
                    try shared.apply(input, at: time)
                }
            } catch {
                letter.reply?.resume(returning: .failed(.refused(error)))
                return .success([])
            }
            unwritten.append(Self.record(input, at: time))
        }
        let mayWait = letter.reply == nil && actions.allSatisfy { Machine.onlyAsks($0) }
        if mayWait, unwritten.count < Self.mostUnwritten { return .success(actions) }
        do {
            if !unwritten.isEmpty {
                try await durable(unwritten)
                try await sealed(look { $0.machine })
            }
        } catch {
            let failure = Failure.notDurable("\(error)")
            letter.reply?.resume(returning: .failed(failure))
            return .failure(failure)
        }
        made.add(unwritten.count, ordering: .relaxed)
        unwritten = []
        let state = shared.withLock { shared in
            shared.unsaid = []
            return letter.input == nil ? shared.machine.stateBytes : []
        }
        letter.reply?.resume(
            returning: letter.input == nil
                ? .state(state, records: made.load(ordering: .relaxed)) : .taken)
        return .success(actions)
    }
}
