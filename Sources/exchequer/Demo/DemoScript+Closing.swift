import Foundation
import Node
import Primitives
import Service
import Transport

/// Verification, settlement, claims, audit, and the table.
extension DemoScript {
    func verify() async throws {
        announce("audits re-execute the answers; the liar is convicted and slashed")
        try await wait("every job to be audited and final", seconds: 180) {
            let jobs = try await house.jobs()
            return jobs.count >= asked.count && jobs.allSatisfy(\.isFinal)
        }
        try await wait("the slash to be final on chain", seconds: 60) {
            // Convictions that come together take their part each: five percent of what is left.
            let slashes = try await house.verdicts().filter { verdict in
                verdict.accused != nil && verdict.state == "executed"
                    && Asset.usd.parse(verdict.captured) != Amount.zero
            }
            return !slashes.isEmpty && slashes.allSatisfy(\.settled_on_chain)
        }
        let providers = try await house.providers()
        let names = Dictionary(uniqueKeysWithValues: providers.map { ($0.party, $0.name) })
        let verdicts = try await house.verdicts()
        for verdict in verdicts where verdict.accused != nil {
            let accused = names[verdict.accused ?? 0] ?? "?"
            tell(
                "job \(verdict.job): stage \(verdict.accused_stage ?? 0) is at fault "
                    + "(\(verdict.fault)): \(accused) lost $\(verdict.captured), "
                    + "$\(verdict.burned) of it burned")
            guard accused == "thorn" else {
                throw Supervisor.Failure(description: "\(accused) was convicted and is honest")
            }
        }
        if let convicted = verdicts.first(where: { $0.accused != nil }) {
            try await bisect(convicted.job)
        }
        let cleared = verdicts.count { $0.accused == nil }
        let refunded = try await house.jobs().filter { $0.state == "refunded" }
        tell("\(cleared) audits reproduced every byte, \(refunded.count) jobs were refunded")
        guard !refunded.isEmpty, cleared > 0 else {
            throw Supervisor.Failure(description: "nothing was refunded or nothing was cleared")
        }
    }

    /// The liar's work cut down to one operation, by the parties' own moves; then by a referee that
    /// has the game and no weights.
    private func bisect(_ job: UInt64) async throws {
        let signer = RequestSigner(identity: try KeyFiles.identity(at: path("thorn.identity")))
        let route = "/v1/jobs/\(job)/evidence"
        let answer = try await HTTPClient.shared.send(
            HTTPRequest(
                url: house.base + route,
                headers: signer.headers(method: "GET", path: route, body: []),
                maximumResponseBytes: 1 << 30))
        try Data(answer.body).write(to: URL(fileURLWithPath: path("liar.evidence")))
        try supervisor.run(
            "bisect", exchequer,
            [
                "bisect", "play", path("liar.evidence"), "--model", model, "--accused-model",
                path("thorn.gguf"), "--identity", path("oak.identity"), "--accused-identity",
                path("thorn.identity"), "--game", path("liar.game"),
            ], accepting: [4])
        let finding = try supervisor.run(
            "bisect", exchequer, ["bisect", "judge", path("liar.game")], accepting: [4])
        tell("bisected, judged without weights: \(finding.prefix { $0 != "\n" })")
    }

    func settle() async throws {
        announce("the epoch closes: emission, and one Merkle root on chain for everybody")
        try chooseSolana()
        try await house.post("/v1/operator/close-epoch")
        try await wait("the epoch to close") {
            try await !house.get("/v1/epochs", as: Epochs.self).data.isEmpty
        }
        try await house.post("/v1/operator/settle")
        try await wait("the root to be final on chain") {
            try await house.batches().last?.state == "confirmed"
        }
        guard let batch = try await house.batches().last else { return }
        let epochs = try await house.get("/v1/epochs", as: Epochs.self).data
        tell("epoch 1 emitted \(epochs[0].emitted) TLY for verified work")
        tell("batch \(batch.batch) committed, root 0x\(batch.root.prefix(16))...")
    }

    private struct Epochs: Decodable {
        struct Epoch: Decodable {
            let emitted: String
        }
        let data: [Epoch]
    }

    /// What an account sees of its own before it claims.
    private func showClaimable(_ address: String) async throws {
        let words = ["claimable", "--house", house.base, "--address", address]
        var shown = ""
        try await wait("the root to pay") {
            shown = try command("claimable", words)
            return shown.contains("now, of batch")
        }
        tell("exchequer claimable --address \(address)")
        for line in shown.split(separator: "\n") { tell("  \(line)") }
    }

    func claim() async throws {
        announce("providers claim; a script without our code checks what each address received")
        guard let last = try await house.batches().last else { return }
        let batch = try await house.get(
            "/v1/batches/\(last.batch)", as: DemoHouseClient.Batch.self)
        let lines = batch.lines ?? []
        if let first = lines.first { try await showClaimable(first.address) }
        for provider in DemoProvider.all {
            try command(
                "claim",
                [
                    "contracts", "claim", "--rpc", rpc, "--contract", contracts.contract,
                    "--key-file", path("\(provider.name).key"), "--house", house.base,
                ])
        }
        for line in lines { claimed[line.address, default: [:]][line.asset] = line.cumulative }
        let claims = lines.map { line in
            [
                "address": line.address, "asset": line.asset,
                "cumulative_chain_units": line.cumulative_units,
                "claimed_chain_units": line.cumulative_units,
            ]
        }
        let expectations: [String: Any] = [
            "batch": Int(batch.batch), "root": "0x\(batch.root)", "claims": claims,
        ]
        let data = try JSONSerialization.data(withJSONObject: expectations)
        try data.write(to: URL(fileURLWithPath: path("expectations.json")))
        try supervisor.run(
            "check", python,
            [
                "\(harness)/check_claims.py", "--rpc", rpc, "--contract", contracts.contract,
                "--usdc", contracts.usdc, "--tly", contracts.tly, path("expectations.json"),
            ])
        tell("\(lines.count) claims: chain and ledger agree to the last unit")
        try await wait("the claims to be in the books") {
            let parties = try await house.balances(ofFirst: DemoProvider.all.count)
            return parties.allSatisfy { party in
                party.balances.allSatisfy { line in
                    !line.in_transit.contains { "123456789".contains($0) }
                }
            }
        }
    }

    /// Every holder asks for the proof of its balance with its own API key and holds it against
    /// the contract; the script checks one of them too.
    func checkBalances() throws {
        let holders = ["agent"] + DemoProvider.all.map(\.name)
        for name in holders {
            let key = try command(
                "keys",
                [
                    "keys", "api", "--house", house.base, "--key-file", path("\(name).key"),
                    "--label", "balance",
                ])
            try write(key, to: "\(name).api-key")
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o600], ofItemAtPath: path("\(name).api-key"))
            let proof = try command(
                "prove-balance",
                [
                    "prove-balance", "--url", house.base, "--api-key-file",
                    path("\(name).api-key"),
                ])
            try write(proof, to: "\(name).balance.json")
            try command(
                "verify-balance",
                [
                    "verify-balance", path("\(name).balance.json"), "--rpc", rpc, "--contract",
                    contracts.contract,
                ])
        }
        let statement: LiabilityStatement = try read("agent.balance.json")
        try supervisor.run(
            "check", python,
            ["\(harness)/check_liability.py", path("agent.balance.json"), statement.root])
        tell(
            "\(holders.count) holders checked that their balance is inside the liabilities root, "
                + "$\(statement.totals.usd) and \(statement.totals.tly) TLY in all")
    }

    /// The table at the end, read before the house stops.
    func tableRows() async throws -> [[String]] {
        let jobs = try await house.jobs()
        let providers = try await house.providers()
        let verdicts = try await house.verdicts()
        return DemoProvider.all.compactMap { cast in
            guard let provider = providers.first(where: { $0.name == cast.name }) else {
                return nil
            }
            let served = jobs.filter { job in
                job.pipeline.contains { $0.party == provider.party && $0.signed }
            }
            let tokens = served.reduce(UInt64(0)) { $0 + $1.output_tokens }
            let milliseconds = served.reduce(UInt64(0)) {
                $0 + ($1.ended_at ?? 0) - ($1.opened_at ?? 0)
            }
            let rate = milliseconds == 0 ? 0 : Double(tokens) * 1_000 / Double(milliseconds)
            var slashed = Amount.zero
            for verdict in verdicts where verdict.accused == provider.party {
                slashed += Asset.usd.parse(verdict.captured) ?? .zero
            }
            var paid = Amount.zero
            for job in jobs where job.state == "paid" || job.state == "refunded" {
                for stage in job.pipeline where stage.party == provider.party {
                    let isGuilty = verdicts.contains {
                        $0.job == job.job && $0.accused == provider.party
                    }
                    if !isGuilty { paid += Asset.usd.parse(stage.cost) ?? .zero }
                }
            }
            let claims = claimed[provider.address] ?? [:]
            return [
                cast.name, cast.role, "\(served.count)", "\(tokens)",
                String(format: "%.1f", rate), "\(cast.inputPrice)/\(cast.outputPrice)",
                Asset.usd.format(paid), Asset.usd.format(slashed), claims["USD"] ?? "0",
                claims["TLY"] ?? "0",
            ]
        }
    }

    func audit() async throws {
        announce("books and chains are compared; the journal is replayed into an empty house")
        let state = try await house.get("/v1/state", as: DemoHouseClient.State.self)
        var compared = ""
        try await wait("the books to be compared") {
            guard let said = try? command("reconcile", ["reconcile", "--data", path("house")])
            else { return false }
            compared = said
            return true
        }
        // The checks, and what they come to.
        let parts = compared.components(separatedBy: "\n\n")
        for line in parts.dropFirst().prefix(1).joined().split(separator: "\n") { tell("\(line)") }
        if let last = parts.last { tell(last.trimmingCharacters(in: .newlines)) }
        supervisor.stop("house")
        for provider in DemoProvider.all { supervisor.stop(provider.name) }
        let report = try command(
            "audit",
            ["audit", "--data", path("house"), "--expect", "\(state.sequence):\(state.head)"])
        for line in report.split(separator: "\n") { tell(String(line)) }
        tell("the chain holds batch \(state.sequence) just as the running house published it")
    }

    func finish(_ rows: [[String]]) {
        let header = [
            "provider", "serves", "jobs", "tokens", "tokens/s", "$/M in/out", "paid $", "slashed $",
            "claimed $", "claimed TLY",
        ]
        let spent = asked.compactMap { $0.cost.flatMap(Asset.usd.parse) }.reduce(.zero, +)
        Console.put("")
        Console.put(Console.table(header, rows))
        Console.put(
            """

            The agent sent \(asked.count) prompts and was charged \
            $\(Asset.usd.format(spent)); answers of the liar were refunded.
            Where to look next:
              \(path("logs"))           what every process said
              \(path("house"))          the journal: exchequer audit --data \(path("house"))
              docs/README.md            concepts, API, operating
              exchequer simulate        does cheating pay?
            """)
    }
}
