public import Cryptography
public import Primitives
import Synchronization

/// What a driver does outside the chain: writing down, and telling.
public struct EVMManagerHooks: Sendable {
    /// Makes a record durable, after all that came before it. If it throws, the driver stops with
    /// nothing done, and has to be made again from what is durable.
    public let durable: @Sendable ([UInt8]) async throws -> Void
    /// Takes the outcome of an intent; `true` once it is written down, otherwise it is told again
    /// after a restart. The same outcome may be told more than once.
    public let report: @Sendable (Digest, EVMIntentOutcome) async -> Bool
    /// Takes what a person should know.
    public let alert: @Sendable (EVMManagerAlert) -> Void

    /// These hooks.
    public init(
        durable: @escaping @Sendable ([UInt8]) async throws -> Void,
        report: @escaping @Sendable (Digest, EVMIntentOutcome) async -> Bool,
        alert: @escaping @Sendable (EVMManagerAlert) -> Void
    ) {
        self.durable = durable
        self.report = report
        self.alert = alert
    }
}

/// Why a driver ended.
public enum EVMManagerDriverError: Error, Equatable, Sendable {
    /// The state or the records are not what a driver writes.
    case damaged(CodecError)
    /// A record could not be made durable; says why.
    case notDurable(String)
    /// The driver is not running.
    case stopped
    /// The manager refused the input.
    case refused(EVMManagerRejection)
}

/// Drives an `EVMManager`: gives it the time, answers and signatures, makes each input durable and
/// then carries out what follows, over one or more nodes of one chain.
public final class EVMManagerDriver: Sendable {
    /// The nodes.
    let nodes: [EVMChain]
    /// How many of them must agree.
    let quorum: Quorum
    private let keys: [EVMAddress: Secp256k1.PrivateKey]
    private let hooks: EVMManagerHooks
    private let clock: @Sendable () -> Timestamp
    private let tick: Duration
    private let manager: Mutex<EVMManager>
    /// How many records were made durable.
    private let made = Atomic(0)
    private let letters: AsyncStream<Letter>
    private let inbox: AsyncStream<Letter>.Continuation
    let usesFinalizedTag: Bool

    /// An input on its way to the manager, or a look at its state.
    private struct Letter: Sendable {
        let input: EVMManagerInput?
        let reply: CheckedContinuation<Reply, Never>?
    }

    private enum Reply: Sendable {
        case taken
        case state([UInt8], records: Int)
        case failed(EVMManagerDriverError)
    }

    /// A driver that goes on from what is durable: the state of some time, if there is one, and
    /// the records made durable since, in order. The keys' accounts become lanes.
    public init(
        nodes: [EVMChain], quorum: Quorum, policy: EVMManagerPolicy, keys: [Secp256k1.PrivateKey],
        state: [UInt8]? = nil, records: [[UInt8]] = [], hooks: EVMManagerHooks,
        clock: @escaping @Sendable () -> Timestamp, tick: Duration = .seconds(1)
    ) throws(EVMManagerDriverError) {
        precondition(nodes.count >= quorum.needed, "fewer nodes than must agree")
        var manager = EVMManager(policy: policy)
        do throws(CodecError) {
            if let state { manager = try EVMManager(policy: policy, stateBytes: state) }
            for record in records {
                let (time, input) = try Self.read(record)
                // What the manager refuses was never made a record.
                do { _ = try manager.apply(input, at: time) } catch {
                    throw .invalidValue("record")
                }
            }
        } catch {
            throw .damaged(error)
        }
        self.nodes = nodes
        self.quorum = quorum
        self.keys = Dictionary(keys.map { ($0.address, $0) }) { first, _ in first }
        self.hooks = hooks
        self.clock = clock
        self.tick = tick
        usesFinalizedTag = policy.usesFinalizedTag
        self.manager = Mutex(manager)
        (letters, inbox) = AsyncStream.makeStream()
        // Before anything that is submitted.
        for key in keys { post(.openLane(key.address)) }
        post(.restarted)
    }

    /// A record: the time in 8 bytes and the input's canonical bytes.
    private static func record(_ input: EVMManagerInput, at time: Timestamp) -> [UInt8] {
        var writer = ByteWriter()
        writer.write(time)
        writer.write(input)
        return writer.bytes
    }

    private static func read(_ record: [UInt8]) throws(CodecError) -> (Timestamp, EVMManagerInput) {
        var reader = ByteReader(record)
        let time: Timestamp = try reader.read()
        let input: EVMManagerInput = try reader.read()
        try reader.finish()
        return (time, input)
    }

    // MARK: From outside

    /// Hands an intent over; returns when it is durable.
    public func submit(_ intent: EVMIntent) async throws(EVMManagerDriverError) {
        _ = try await send(.submit(intent))
    }

    /// Calls an intent off; returns when that is durable.
    public func cancel(_ id: Digest) async throws(EVMManagerDriverError) {
        _ = try await send(.cancel(id))
    }

    /// Lets the manager go on after a person has looked.
    public func resume() async throws(EVMManagerDriverError) {
        _ = try await send(.resumed)
    }

    /// The state after the first `records` records that this driver made durable: with it, those
    /// and all of its predecessors' are not needed. The later ones are: an older state alone would
    /// pay again what they paid.
    public func state() async throws(EVMManagerDriverError) -> (bytes: [UInt8], records: Int) {
        guard case .state(let bytes, let records) = try await send(nil) else { return ([], 0) }
        return (bytes, records)
    }

    /// How far an intent is.
    public func status(of id: Digest) -> EVMIntentStatus {
        manager.withLock { $0.status(of: id) }
    }

    /// Why new intents wait.
    public var openBreakers: [EVMBreakerCause] { manager.withLock { $0.openBreakers } }

    private func send(_ input: EVMManagerInput?) async throws(EVMManagerDriverError) -> Reply {
        let reply = await withCheckedContinuation { continuation in
            let letter = Letter(input: input, reply: continuation)
            if case .enqueued = inbox.yield(letter) { return }
            continuation.resume(returning: .failed(.stopped))
        }
        if case .failed(let error) = reply { throw error }
        return reply
    }

    private func post(_ input: EVMManagerInput) {
        inbox.yield(Letter(input: input, reply: nil))
    }

    // MARK: Running

    /// Works until the task is cancelled or a record cannot be made durable. Once only.
    public func run() async throws(EVMManagerDriverError) {
        let failure = await withTaskGroup(of: EVMManagerDriverError?.self) { group in
            group.addTask { await self.beat() }
            group.addTask { await self.work() }
            let first = await group.next() ?? nil
            group.cancelAll()
            return first
        }
        if let failure { throw failure }
    }

    private func beat() async -> EVMManagerDriverError? {
        while !Task.isCancelled {
            try? await Task.sleep(for: tick)
            post(.tick)
        }
        inbox.finish()
        return nil
    }

    /// Takes one letter after the other; what it asks of nodes runs beside.
    private func work() async -> EVMManagerDriverError? {
        await withTaskGroup(of: Void.self) { group in
            var failure: EVMManagerDriverError?
            for await letter in letters {
                if let failure {
                    letter.reply?.resume(returning: .failed(failure))
                    continue
                }
                switch await take(letter) {
                case .success(let actions):
                    for action in actions { group.addTask { await self.carryOut(action) } }
                case .failure(let error):
                    failure = error
                    inbox.finish()
                }
            }
            group.cancelAll()
            return failure
        }
    }

    /// Applies an input and makes it durable. Only then do its actions leave this function.
    private func take(
        _ letter: Letter
    ) async -> Result<[EVMManagerAction], EVMManagerDriverError> {
        guard let input = letter.input else {
            let bytes = manager.withLock { $0.stateBytes }
            let records = made.load(ordering: .relaxed)
            letter.reply?.resume(returning: .state(bytes, records: records))
            return .success([])
        }
        let time = clock()
        let actions: [EVMManagerAction]
        do throws(EVMManagerRejection) {
            actions = try manager.withLock { manager throws(EVMManagerRejection) in
                try manager.apply(input, at: time)
            }
        } catch {
            letter.reply?.resume(returning: .failed(.refused(error)))
            return .success([])
        }
        do {
            try await hooks.durable(Self.record(input, at: time))
        } catch {
            let failure = EVMManagerDriverError.notDurable("\(error)")
            letter.reply?.resume(returning: .failed(failure))
            return .failure(failure)
        }
        made.add(1, ordering: .relaxed)
        letter.reply?.resume(returning: .taken)
        return .success(actions)
    }

    private func carryOut(_ action: EVMManagerAction) async {
        switch action {
        case .sign(let draft, let address):
            if let key = keys[address] { post(.signed(draft.signed(by: key))) }
        case .broadcast(let hash, let raw):
            let (answer, text) = await broadcast(raw, named: hash)
            post(.answered(transaction: hash, answer, text))
        case .ask(let question):
            let answers = await ask(question)
            post(quorum.merge(answers, to: question).map { .observed($0) } ?? .unanswered)
        case .estimate(let intent):
            if let input = await estimate(intent) { post(input) }
        case .report(let id, let outcome):
            if await hooks.report(id, outcome) { post(.acknowledged(id, outcome)) }
        case .alert(let alert):
            hooks.alert(alert)
        }
    }
}
