import Foundation

/// The ledger as a server, durable, client and server on this machine's cores, beside TigerBeetle
/// and a double-entry function in PostgreSQL in the same run.
struct LedgerBench {
    /// Where journals and peers keep their files; made and removed.
    let folder: String
    let harness: String
    let runs: Int

    private struct Load {
        let name: String
        let clients: Int
        let batch: Int
        let transfers: Int
        let peerTransfers: Int
    }

    private static let loads = [
        Load(
            name: "batches of 8,189", clients: 1, batch: 8_189, transfers: 2_000_000,
            peerTransfers: 2_000_000),
        Load(
            name: "batches of 1,000", clients: 1, batch: 1_000, transfers: 1_000_000,
            peerTransfers: 1_000_000),
        Load(
            name: "16 clients, one each", clients: 16, batch: 1, transfers: 60_000,
            peerTransfers: 10_000),
        Load(
            name: "64 clients, one each", clients: 64, batch: 1, transfers: 100_000,
            peerTransfers: 10_000),
    ]

    /// How clients reach the server, as a row says it.
    private enum Way: String {
        case port = ""
        case socket = ", Unix socket"
        case http = " over HTTP"
    }

    private static let ways: [(String, Way)] = [
        ("file", .port), ("file", .socket), ("sqlite", .port), ("file", .http),
    ]

    /// Every row; `say` gets a line before each.
    func rows(say: (String) -> Void) throws -> [BenchRow] {
        try FileManager.default.createDirectory(
            atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        var rows: [BenchRow] = []
        let tigerBeetle = TigerBeetlePeer()
        if tigerBeetle == nil {
            say("no TigerBeetle: put it on the PATH or name it in TIGERBEETLE to fill its column")
        }
        for load in LedgerBench.loads {
            say("ledger, \(load.name)")
            let peer = try tigerBeetle.map { peer in
                try median { try self.tigerBeetle(peer, load) }
            }
            for (kind, way) in LedgerBench.ways where way == .port || load.batch == 1 {
                let results = try (0..<runs).map { _ in try serve(kind, load, way) }
                rows.append(
                    BenchRow(
                        name: "\(load.name)\(way.rawValue), \(kind) journal",
                        value: middle(results.map(\.rate)),
                        p99: middle(results.map { $0.percentile(0.99) }),
                        peer: tigerBeetle == nil ? nil : "TigerBeetle", peerValue: peer))
            }
        }
        rows += try postgres(say)
        rows += try recovery(say)
        return rows
    }

    private func tigerBeetle(_ peer: TigerBeetlePeer, _ load: Load) throws -> Double {
        try inScratch { scratch in
            try peer.rate(
                clients: load.clients, batch: load.batch, transfers: load.peerTransfers,
                in: scratch)
        }
    }

    private func serve(_ kind: String, _ load: Load, _ way: Way) throws -> LedgerLoad.Result {
        try inScratch { scratch in
            let server = try BenchServer(
                journal: "\(kind):\(scratch)/books", socket: "\(scratch)/socket")
            defer { server.stop() }
            return try run(load, on: server, way)
        }
    }

    private func run(
        _ load: Load, on server: BenchServer, _ way: Way = .port
    ) throws -> LedgerLoad.Result {
        let place: LedgerLoad.Place =
            switch (way, server.socket) {
            case (.socket, let path?): .socket(path)
            case (.http, _): .http(server.httpPort)
            default: .port(server.port)
            }
        return try LedgerLoad(
            place: place, clients: load.clients, batch: load.batch, accounts: 10_000
        ).run(transfers: load.transfers)
    }

    // MARK: PostgreSQL

    private func postgres(_ say: (String) -> Void) throws -> [BenchRow] {
        guard let peer = try PostgresPeer(harness: harness) else {
            say("no PostgreSQL: `make deps` installs it")
            return []
        }
        say("ledger on PostgreSQL")
        let calls = try median { try peer.rate("single.sql", clients: 16, batch: 1, calls: 40_000) }
        let sets = try median { try peer.rate("set.sql", clients: 1, batch: 8_000, calls: 50) }
        let batches = try serve(
            on: peer,
            Load(
                name: "batches of 8,000, 4 clients", clients: 4, batch: 8_000,
                transfers: 2_000_000, peerTransfers: 0))
        let singles = try serve(
            on: peer,
            Load(
                name: "16 clients, one each", clients: 16, batch: 1, transfers: 50_000,
                peerTransfers: 0))
        let function = "plpgsql function, 16 clients"
        return [
            batches.against(function, calls),
            batches.against("plpgsql, set-based, 8,000", sets),
            singles.against(function, calls),
        ]
    }

    private func serve(on peer: PostgresPeer, _ load: Load) throws -> BenchRow {
        let results = try (0..<runs).map { number in
            let schema = "bench\(load.batch)x\(load.clients)x\(number)"
            let server = try BenchServer(journal: "postgres:\(peer.conninfo)#\(schema)")
            defer { server.stop() }
            return try run(load, on: server)
        }
        return BenchRow(
            name: "\(load.name), postgres journal", value: middle(results.map(\.rate)),
            p99: middle(results.map { $0.percentile(0.99) }))
    }

    // MARK: Starting again, and audits

    /// A journal is written once; a start and audits read it, each in a process of its own.
    private func recovery(_ say: (String) -> Void) throws -> [BenchRow] {
        say("ledger, starting again")
        return try inScratch { scratch in
            let load = LedgerBench.loads[0]
            let place = "file:\(scratch)/books"
            let first = try BenchServer(journal: place)
            let before = try first.residentBytes()
            let result = try run(load, on: first)
            let after = try first.residentBytes()
            first.stop()
            let second = try BenchServer(journal: place)
            second.stop()
            say("ledger, audit")
            let rates = try (0..<runs).map { _ in
                let clock = ContinuousClock()
                let started = clock.now
                _ = try BenchPeer.run(
                    BenchServer.program, ["audit", "--journal", place], in: scratch)
                return Double(result.transfers) / ((clock.now - started) / .seconds(1))
            }
            let millions = Double(result.transfers) / 1e6
            return [
                BenchRow(name: "`exchequer audit` of that journal", value: middle(rates)),
                BenchRow(
                    name: "start with a journal of 1 M transfers",
                    value: second.startSeconds / millions, unit: "s"),
                BenchRow(
                    name: "memory of the server for a transfer",
                    value: Double(after - before) / Double(result.transfers), unit: "bytes"),
            ]
        }
    }

    // MARK: Small things

    /// Runs `body` in a folder of its own, on a disk that owes nothing for what ran before.
    private func inScratch<Value>(_ body: (String) throws -> Value) throws -> Value {
        let scratch = "\(folder)/\(UUID().uuidString)"
        try FileManager.default.createDirectory(
            atPath: scratch, withIntermediateDirectories: true)
        defer {
            try? FileManager.default.removeItem(atPath: scratch)
            sync()
        }
        sync()
        return try body(scratch)
    }

    private func median(_ body: () throws -> Double) throws -> Double {
        middle(try (0..<runs).map { _ in try body() })
    }

    private func middle(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
}
