import Foundation

/// Chain, house and providers.
extension DemoScript {
    private struct Listening: Decodable {
        struct Account: Decodable {
            let address: String
            let privateKey: String
        }
        let listening: String
        let accounts: [Account]
    }

    func startChain() throws {
        announce("a local EVM chain, with the token and settlement contracts")
        let line = try supervisor.startListening(
            "chain", python,
            [
                "\(harness)/evm_node.py", "--port", "0", "--chain-id", "31337", "--accounts",
                "\(DemoProvider.all.count + 2)", "--interval", "0.5",
            ])
        let ready = try JSONDecoder().decode(Listening.self, from: Data(line.utf8))
        rpc = ready.listening
        let owners = ["operator", "agent"] + DemoProvider.all.map(\.name)
        for (owner, account) in zip(owners, ready.accounts) {
            try write(account.privateKey, to: "\(owner).key")
            try FileManager.default.setAttributes(
                [.posixPermissions: 0o600], ofItemAtPath: path("\(owner).key"))
        }
        let output = try command(
            "deploy",
            [
                "contracts", "deploy", "--rpc", rpc, "--key-file", path("operator.key"),
                "--unbonding-delay", DemoRules.unbondingDelay, "--out", path("contracts.json"),
                "--json",
            ])
        contracts = try JSONDecoder().decode(Contracts.self, from: Data(output.utf8))
        tell("chain 31337 at \(rpc), settlement contract \(contracts.contract)")
        for (owner, account) in zip(owners, ready.accounts).dropFirst() {
            try command(
                "fund",
                [
                    "contracts", "send", "--rpc", rpc, "--key-file", path("operator.key"),
                    "--token", contracts.usdc, "--to", account.address, "--amount",
                    owner == "agent" ? DemoRules.deposit : DemoRules.bond,
                ])
        }
        tell("\(DemoProvider.all.count) providers and an agent have test dollars")
    }

    func startHouse() async throws {
        announce("the house: gateway, ledger and journal on SQLite")
        try write(DemoRules.parameters, to: "parameters.json")
        try supervisor.start(
            "house", exchequer,
            [
                "serve", "--data", path("house"), "--model", model, "--http-port", "0",
                "--wire-port", "0", "--rpc-url", rpc, "--contract", contracts.contract,
                "--operator-key", path("operator.key"), "--confirmations", "2", "--parameters",
                path("parameters.json"), "--audit-interval", "1", "--manual-epochs",
                "--payouts", "plan", "--minimum-payout", "0.000001", "--solana-rpc-url",
                solana.rpc, "--solana-mint", solana.mint, "--solana-key", path("solana.key"),
                "--any-roles",
            ])
        try await wait("the house to be ready", seconds: 60) {
            guard supervisor.isRunning("house") else {
                throw Supervisor.Failure(
                    description: "the house stopped:\n\(supervisor.tail("house"))")
            }
            return FileManager.default.fileExists(atPath: path("house/serve.json"))
        }
        let ready: Ready = try read("house/serve.json")
        let token = try String(contentsOfFile: ready.operator_token_file, encoding: .utf8)
        house = DemoHouseClient(
            base: ready.http, operatorToken: token.trimmingCharacters(in: .whitespacesAndNewlines))
        try await wait("the house to answer") { await house.isUp() }
        tell("OpenAI-compatible API at \(ready.http)/v1, metrics at \(ready.http)/metrics")
    }

    func startProviders() async throws {
        announce("six providers bond on chain and serve, each in its own process")
        try TamperedModel.write(of: model, to: path("thorn.gguf"))
        for provider in DemoProvider.all {
            try command(
                "bond",
                [
                    "contracts", "bond", "--rpc", rpc, "--contract", contracts.contract,
                    "--key-file", path("\(provider.name).key"), "--amount", DemoRules.bond,
                ])
        }
        try await wait("the bonds to be credited") {
            let parties = try await house.balances(ofFirst: DemoProvider.all.count)
            return parties.count { party in
                party.balances.contains { $0.bonded.hasPrefix(DemoRules.bond) }
            } == DemoProvider.all.count
        }
        for provider in DemoProvider.all { try startNode(provider) }
        try await wait("six nodes to be online with their offers", seconds: 120) {
            for provider in DemoProvider.all where !supervisor.isRunning(provider.name) {
                throw Supervisor.Failure(
                    description: "\(provider.name) stopped:\n\(supervisor.tail(provider.name))")
            }
            let offers = try await house.get("/v1/offers?limit=100", as: Offers.self).data
            return offers.filter { $0.online && $0.state == "live" }.count
                == DemoProvider.all.count
        }
        for provider in DemoProvider.all {
            tell(
                "\(provider.name.padding(toLength: 7, withPad: " ", startingAt: 0)) "
                    + "\(provider.role), $\(provider.inputPrice) in, $\(provider.outputPrice) out "
                    + "per million tokens, bond $\(DemoRules.bond)")
        }
    }

    struct Offers: Decodable {
        struct Offer: Decodable {
            let online: Bool
            let state: String
        }
        let data: [Offer]
    }

    private func startNode(_ provider: DemoProvider) throws {
        var arguments = [
            "node", "--house", house.base, "--model", model, "--key-file",
            path("\(provider.name).key"), "--identity", path("\(provider.name).identity"),
            "--name", provider.name, "--layers", provider.layers, "--input-price",
            provider.inputPrice, "--output-price", provider.outputPrice, "--threads", "1",
        ]
        if provider.verifies { arguments.append("--verifier") }
        if provider.part == .liar { arguments += ["--serve-weights", path("thorn.gguf")] }
        try supervisor.start(provider.name, exchequer, arguments)
    }
}
