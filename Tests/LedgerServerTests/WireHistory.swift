import Dispatch
import Ledger
import LedgerServer
import NaiveLedger
import Primitives
import Service
import Storage
import Synchronization
import Testing

/// A clock that a test sets.
final class WireClock: Sendable {
    private let time = Mutex(Timestamp.zero)

    var now: Timestamp { time.withLock { $0 } }
    func set(_ moment: Timestamp) { time.withLock { $0 = moment } }
}

/// A random history that several clients send at once, and what the naive ledger makes of it in the
/// order in which the journal has it.
final class WireHistory {
    /// A request that was answered: by whom, as the how manieth of theirs, and how.
    private struct Answered: Sendable {
        let client: Int
        let place: Int
        let request: WireRequest
        let results: [WireResult]
    }

    private(set) var events = 0
    private(set) var queries = 0
    private(set) var transfers: Set<CreateTransferStatus> = []
    private(set) var accounts: Set<CreateAccountStatus> = []
    /// What differs, if anything does.
    private(set) var differences: [String] = []
    /// The server's clock.
    let clock = WireClock()

    private var history: RandomHistory
    private var filters: RandomQuery
    private var naive = NaiveLedger()
    /// Draws the filters' edges, and is compared with the recovered one.
    private var machine = LedgerMachine()
    private var head = JournalHead.empty
    private var seen: [TransferID] = []
    private var answered: [[UInt8]: [Answered]] = [:]
    /// How many requests each client of this round has in the journal.
    private var places: [Int] = []
    /// Commands that were sent more than once in this round: whose is which cannot be told.
    private var doubled: Set<[UInt8]> = []
    private let opening: [Account]

    init(seed: UInt64) {
        history = RandomHistory(seed: seed)
        filters = RandomQuery(seed: seed)
        opening = history.opening()
    }

    /// Sends a few requests of a few clients, all at once, then compares.
    func playRound(_ port: Int, _ httpPort: Int, _ journal: any Journal) throws {
        var requests: [[WireRequest]] = []
        var count = 1
        for _ in 0..<Int.random(in: 1...4, using: &history.random) {
            let commands = (0..<Int.random(in: 1...5, using: &history.random)).map { _ in draw() }
            count += commands.reduce(0) { $0 + $1.command.count }
            requests.append(commands)
        }
        clock.set(history.moment(for: count))
        try send(requests, port, httpPort)
        // Whatever is due now is released with this, so that no pulse comes between the questions.
        let client = try WireClient(port, httpPort)
        let last = WireRequest(.createAccounts(opening), prefersWeb: false)
        let results = try client.send(last)
        add([Answered(client: 0, place: requests[0].count, request: last, results: results)])
        places = requests.map { _ in 0 }
        doubled = Set(answered.filter { $0.value.count > 1 }.keys)
        try follow(journal)
        if !answered.isEmpty { differences.append("\(answered.count) commands are not journaled") }
        try ask(client, journal)
    }

    private func draw() -> WireRequest {
        let prefersWeb = history.random.once(in: 2)
        if machine.ledger.accounts.isEmpty {
            return WireRequest(.createAccounts(opening), prefersWeb: prefersWeb)
        }
        if history.random.once(in: 8) {
            return WireRequest(.createAccounts(history.accountBatch()), prefersWeb: prefersWeb)
        }
        return WireRequest(.createTransfers(history.transferBatch()), prefersWeb: prefersWeb)
    }

    private func send(_ requests: [[WireRequest]], _ port: Int, _ httpPort: Int) throws {
        let found = Mutex<[Answered]>([])
        let failures = Mutex<[String]>([])
        DispatchQueue.concurrentPerform(iterations: requests.count) { number in
            do {
                let client = try WireClient(port, httpPort)
                for (place, request) in requests[number].enumerated() {
                    let results = try client.send(request)
                    found.withLock {
                        $0.append(
                            Answered(
                                client: number, place: place, request: request, results: results))
                    }
                }
            } catch {
                failures.withLock { $0.append("\(error)") }
            }
        }
        differences += failures.withLock { $0 }
        add(found.withLock { $0 })
    }

    private func add(_ answers: [Answered]) {
        for answer in answers {
            events += answer.request.command.count
            answered[answer.request.command.canonicalBytes(), default: []].append(answer)
        }
    }

    /// Plays what the journal has beyond what was played before; each command must have been
    /// answered as the naive ledger answers it there, and each client's must be in its order.
    private func follow(_ journal: any Journal) throws {
        let reader = try journal.reader()
        defer { reader.close() }
        while true {
            let batches = try reader.batches(after: head.sequence)
            if batches.isEmpty { return }
            for batch in batches {
                var verifier = ChainVerifier(after: head)
                for entry in try verifier.accept(batch) {
                    try play(try LedgerCommand(canonicalBytes: entry.command), at: entry.time)
                }
                head = batch.head
            }
        }
    }

    private func play(_ command: LedgerCommand, at time: Timestamp) throws {
        _ = machine.apply(command, at: time)
        _ = naive.expire(at: LedgerMachine.start(of: command, at: time))
        let expected: [WireResult]
        switch command {
        case .pulse:
            return
        case .createAccounts(let batch):
            let results = naive.createAccounts(batch, at: time)
            accounts.formUnion(results.map(\.status))
            expected = WireResult.all(.accounts(results))
        case .createTransfers(let batch):
            let results = naive.createTransfers(batch, at: time)
            transfers.formUnion(results.map(\.status))
            history.learn(batch, results)
            seen = (seen + batch.map(\.id)).suffix(200)
            expected = WireResult.all(.transfers(results))
        }
        let key = command.canonicalBytes()
        let candidates = answered[key] ?? []
        let mine = candidates.indices.filter { candidates[$0].results == expected }
            .min { candidates[$0].place < candidates[$1].place }
        guard let mine else {
            differences.append(
                "\(command) at \(time) was answered \(candidates.map(\.results)), not \(expected)")
            return
        }
        let client = candidates[mine].client
        if !doubled.contains(key) {
            let place = candidates[mine].place
            if place < places[client] { differences.append("client \(client) was reordered") }
            places[client] = place
        }
        answered[key]?.remove(at: mine)
        if answered[key]?.isEmpty == true { answered[key] = nil }
    }

    private func ask(_ client: WireClient, _ journal: any Journal) throws {
        for _ in 0..<3 {
            let account = filters.accountFilter(machine.ledger)
            let any = filters.filter(machine.ledger)
            let before = head
            let found = try WireQueries(client: client, naive: naive)
                .differences(Array(Set(seen)), account, any)
            queries += 1
            try follow(journal)
            if head == before {
                differences += found
                return
            }
        }
    }

    /// Checks what a start recovered.
    func compare(_ recovered: LedgerMachine) {
        if recovered != machine { differences.append("a start recovered another ledger") }
    }
}
