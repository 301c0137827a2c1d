import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives

/// `exchequer contracts roles`: who may do what on the settlement contract.
struct RolesCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "roles",
        abstract: "Show, grant and revoke roles on the settlement contract; hand it over.",
        discussion: """
            Grants count after the contract's role delay, once somebody has enacted them. Acting \
            roles (settler, slasher, pauser) are revoked at once, guardian and arbiter after the \
            delay (docs/reference/contracts.md#roles).

            EXAMPLES
              exchequer contracts roles show --rpc URL --contract 0x.. --account 0x..
              exchequer contracts roles grant --rpc URL --contract 0x.. --key-file owner.key \\
                  --account 0x.. --roles settler,slasher
              exchequer contracts roles enact --rpc URL --contract 0x.. --key-file any.key \\
                  --account 0x..
            """,
        subcommands: [
            ShowRoles.self, GrantRoles.self, RevokeRoles.self, EnactRoles.self, CancelRoles.self,
            OfferOwnership.self, AcceptOwnership.self,
        ])

    private static func bits(_ text: String) throws -> ABIValue {
        let names = SettlementContract.roleNames
        var bits: UInt64 = 0
        for name in text.split(separator: ",") {
            guard let place = names.firstIndex(of: String(name)) else {
                throw ValidationError(
                    "\(name) is no role: write \(names.joined(separator: ", ")).")
            }
            bits |= 1 << UInt64(place)
        }
        return .uint(UInt128(bits))
    }

    struct ShowRoles: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "show", abstract: "Show an account's roles, and the changes that wait.")

        @Option(help: "The chain's JSON-RPC endpoint.") var rpc: String
        @Option(help: "Folder of the contracts' interfaces.") var artifacts = "contracts-abi/evm"
        @Option(help: "The settlement contract.") var contract: String
        @Option(help: "The account.") var account: String
        @Flag(help: "Print one JSON object.") var json = false

        private struct Report: Encodable {
            let account: String
            let owner: Bool
            let roles: [String]
            let granted, revoked: [String]
            let effective_from: UInt64
        }

        func run() async throws {
            let settlement = try await ChainSession.settlement(
                contract, rpc: rpc, artifacts: artifacts)
            let address = try evmAddress(account)
            let report: Report
            do throws(ChainError) {
                let change = try await settlement.roleChange(of: address)
                report = Report(
                    account: address.checksummed, owner: try await settlement.owner() == address,
                    roles: SettlementContract.roleNames(try await settlement.roles(of: address)),
                    granted: SettlementContract.roleNames(change.granted),
                    revoked: SettlementContract.roleNames(change.revoked),
                    effective_from: change.effectiveFrom)
            } catch {
                Console.say("the contract does not answer: \(error)")
                throw Exit.network
            }
            if json { return try Console.put(json: report) }
            let held = (report.owner ? ["owner"] : []) + report.roles
            Console.put("roles   \(held.isEmpty ? "none" : held.joined(separator: ", "))")
            if report.effective_from > 0 {
                Console.put("granted \(report.granted.joined(separator: ", "))")
                Console.put("revoked \(report.revoked.joined(separator: ", "))")
                Console.put("can be enacted from second \(report.effective_from)")
            }
        }
    }

    struct GrantRoles: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "grant", abstract: "Give an account roles, by the owner.")

        @OptionGroup var change: RoleArguments
        @Option(help: "The roles, such as settler,slasher.") var roles: String

        func run() async throws {
            try await change.send("grantRoles", [try bits(roles)], "granting \(roles)")
        }
    }

    struct RevokeRoles: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "revoke", abstract: "Take roles from an account, by the owner.")

        @OptionGroup var change: RoleArguments
        @Option(help: "The roles, such as settler,slasher.") var roles: String

        func run() async throws {
            try await change.send("revokeRoles", [try bits(roles)], "revoking \(roles)")
        }
    }

    struct EnactRoles: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "enact",
            abstract: "Make a scheduled change of roles count, by anyone after the delay.")

        @OptionGroup var change: RoleArguments

        func run() async throws { try await change.send("enactRoles", [], "enacting") }
    }

    struct CancelRoles: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "cancel", abstract: "Drop a scheduled change of roles, by the owner.")

        @OptionGroup var change: RoleArguments

        func run() async throws { try await change.send("cancelRoles", [], "cancelling") }
    }

    struct OfferOwnership: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "offer-ownership",
            abstract: "Offer the contract to another account, by the owner.",
            discussion: "The zero address withdraws the offer. It can be accepted after the delay.")

        @OptionGroup var change: RoleArguments

        func run() async throws { try await change.send("offerOwnership", [], "offering") }
    }

    struct AcceptOwnership: AsyncParsableCommand {
        static let configuration = CommandConfiguration(
            commandName: "accept-ownership", abstract: "Take the contract, by who was offered it.")

        @OptionGroup var chain: ChainOptions
        @Option(help: "The settlement contract.") var contract: String

        func run() async throws {
            let session = try await ChainSession(chain)
            let settlement = try session.settlement(contract)
            try session.finish(
                "accept-ownership",
                await settlement.contract.send("acceptOwnership", [], from: session.sender))
        }
    }
}

/// On which contract whose roles change.
struct RoleArguments: ParsableArguments {
    @OptionGroup var chain: ChainOptions
    @Option(help: "The settlement contract.") var contract: String
    @Option(help: "The account whose roles change, or that is offered the contract.")
    var account: String

    /// Calls a function of the account and these arguments, and waits for its outcome.
    func send(_ function: String, _ arguments: [ABIValue], _ what: String) async throws {
        let session = try await ChainSession(chain)
        let settlement = try session.settlement(contract)
        let address = try evmAddress(account)
        try session.finish(
            what,
            await settlement.contract.send(
                function, [.address(address)] + arguments, from: session.sender))
    }
}
