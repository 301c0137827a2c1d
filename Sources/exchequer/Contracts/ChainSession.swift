import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Transport

/// The options every command on a chain has.
struct ChainOptions: ParsableArguments {
    @Option(help: "The chain's JSON-RPC endpoint.") var rpc: String
    @Option(help: "The sender's key file, unless a signer has it.", completion: .file())
    var keyFile: String?
    @OptionGroup var keys: KeyOptions
    @OptionGroup var signing: SignerOptions
    @Option(help: "Folder of the contracts' interfaces.") var artifacts = "contracts-abi/evm"
    @Option(help: "Blocks, its own included, until a transaction counts.")
    var confirmations: UInt64 = 1
    @Flag(help: "Print one JSON object.") var json = false
}

extension ChainOptions {
    /// The key itself, for what is signed besides transactions.
    func signingKey(_ what: String) throws -> Secp256k1.PrivateKey {
        guard let keyFile else {
            throw ValidationError("\(what) with --key-file: a signer signs transactions only.")
        }
        return try keys.account(in: keyFile)
    }
}

/// A sender on a chain, as the options describe it.
struct ChainSession {
    let chain: EVMChain
    let sender: EVMSender
    private let artifacts: String
    private let printsJSON: Bool

    /// Reads the key and asks the node for its chain id.
    init(_ options: ChainOptions) async throws {
        let key = try options.signing.signer(options.keyFile, "--key-file", options.keys)
        if options.confirmations == 0 { throw ValidationError("--confirmations is at least 1.") }
        chain = try await Self.chain(options.rpc, confirmations: options.confirmations)
        sender = EVMSender(chain: chain, key: key)
        artifacts = options.artifacts
        printsJSON = options.json
    }

    /// A session of a command that has a key already, and a chain beside other things.
    init(rpc: String, key: Secp256k1.PrivateKey, artifacts: String) async throws {
        chain = try await Self.chain(rpc, confirmations: 1)
        sender = EVMSender(chain: chain, key: key)
        self.artifacts = artifacts
        printsJSON = false
    }

    private static func chain(_ url: String, confirmations: UInt64) async throws -> EVMChain {
        let rpc = JSONRPC(url: url)
        do {
            return EVMChain(
                rpc: rpc, chainID: try await EVMChain.chainID(at: rpc),
                confirmations: confirmations, pollInterval: .milliseconds(100))
        } catch {
            Console.say("\(url) does not say which chain it serves: \(error)")
            throw Exit.network
        }
    }

    /// A settlement contract that is only asked.
    static func settlement(
        _ address: String, rpc: String, artifacts: String
    ) async throws -> SettlementContract {
        SettlementContract(
            chain: try await chain(rpc, confirmations: 1), address: try evmAddress(address),
            artifact: try artifact("Exchequer", in: artifacts))
    }

    /// An interface of the artifacts folder.
    func artifact(_ name: String) throws -> ContractArtifact {
        try Self.artifact(name, in: artifacts)
    }

    private static func artifact(_ name: String, in folder: String) throws -> ContractArtifact {
        let file = URL(fileURLWithPath: "\(folder)/\(name).json")
        do {
            return try ContractArtifact(contentsOf: file)
        } catch {
            Console.say("\(file.path) is not a contract's interface: \(error)")
            throw Exit.configuration
        }
    }

    func settlement(_ address: String) throws -> SettlementContract {
        SettlementContract(
            chain: chain, address: try evmAddress(address), artifact: try artifact("Exchequer"))
    }

    func token(_ address: EVMAddress) throws -> TokenContract {
        TokenContract(chain: chain, address: address, artifact: try artifact("Token"))
    }

    /// The dollar or incentive token the contract was deployed with.
    func token(_ getter: String, of settlement: SettlementContract) async throws -> TokenContract {
        do {
            let values = try await settlement.contract.read(getter)
            guard let value = values.first else { throw Exit.network }
            return try token(try value.address(getter))
        } catch let error as ChainError {
            Console.say("\(settlement.address.hex) is not a settlement contract: \(error)")
            throw Exit.configuration
        }
    }

    /// Says why the chain did not answer as it should.
    func fail(_ error: ChainError) -> ExitCode {
        Console.say("the chain does not answer: \(error)")
        return Exit.network
    }

    private struct Sent: Encodable {
        let call, transaction: String
        let block, gas_used: UInt64
    }

    /// Reports the outcome of a command's last call, with `--json` for programs; anything but
    /// settled ends the command.
    func finish(_ what: String, _ outcome: TransactionOutcome) throws {
        let receipt = try require(what, outcome)
        guard printsJSON else { return }
        try Console.put(
            json: Sent(
                call: what, transaction: "0x\(receipt.transaction.hex)",
                block: receipt.blockNumber, gas_used: receipt.gasUsed))
    }

    /// Reports an outcome; anything but settled ends the command.
    @discardableResult
    func require(_ what: String, _ outcome: TransactionOutcome) throws -> EVMReceipt {
        switch outcome {
        case .settled(let receipt):
            Console.say(
                "\(what): settled in block \(receipt.blockNumber), transaction "
                    + "0x\(receipt.transaction.hex)")
            return receipt
        case .failed(let failure):
            Console.say("\(what) failed: \(ContractRefusal.text(failure))")
            throw ExitCode.failure
        case .unknown(let hash, let error):
            Console.say(
                "the outcome of \(what) is unknown (\(error)): look for transaction 0x\(hash.hex) "
                    + "before sending anything again")
            throw Exit.network
        }
    }

    /// Allows the contract to take exactly this much, then runs the call that takes it, the
    /// command's last.
    func pay(
        _ amount: UInt128, to settlement: SettlementContract, _ what: String,
        _ call: (UInt128) async -> TransactionOutcome
    ) async throws {
        let usd = try await token("USDC", of: settlement)
        try require(
            "approve", await usd.approve(amount, for: settlement.address, from: sender))
        try finish(what, await call(amount))
    }
}

/// Reads an address or says what is wrong with it.
func evmAddress(_ text: String) throws -> EVMAddress {
    guard let address = EVMAddress(hex: text) else {
        throw ValidationError("\(text) is not an address of 20 bytes.")
    }
    return address
}

/// Reads dollars as chain units.
func dollarUnits(_ text: String) throws -> UInt128 {
    guard let amount = Asset.usd.parse(text), !amount.isZero else {
        throw ValidationError("\(text) is not an amount, such as 12.50.")
    }
    let units = Asset.usd.chainUnits(amount)
    guard Asset.usd.amount(chainUnits: units) == amount else {
        throw ValidationError("A dollar has 6 decimal places on chain.")
    }
    return units
}
