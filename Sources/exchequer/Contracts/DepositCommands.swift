import ArgumentParser
import Chains
import Cryptography
import Foundation
import Primitives
import Transport

/// `exchequer contracts deposit`: money to buy inference with.
struct DepositCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "deposit",
        abstract: "Pay dollars into an account's balance at the house.",
        discussion: """
            By itself it sends two transactions: leave for the contract to take the dollars, then \
            the deposit. With --permit the leave is a signature (EIP-2612) in the deposit's own \
            transaction. With --authorization it sends what another account has signed by \
            exchequer contracts authorize-deposit (EIP-3009): whoever sends it pays the gas, about \
            77,000, and the balance is the signer's.

            EXAMPLES
              exchequer contracts deposit --rpc URL --contract 0x.. --key-file my.key --amount 5
              exchequer contracts deposit --rpc URL --contract 0x.. --key-file my.key --amount 5 \\
                  --permit
              exchequer contracts deposit --rpc URL --contract 0x.. --key-file relayer.key \\
                  --authorization deposit.json
            """)

    @OptionGroup var options: ContractOptions
    @Option(help: "How many dollars.") var amount: String?
    @Flag(help: "Give the leave by signature, in one transaction; wants --key-file.")
    var permit = false
    @Option(
        help: "File with a deposit that somebody has signed, in place of --amount.",
        completion: .file())
    var authorization: String?

    func validate() throws {
        guard (amount == nil) != (authorization == nil), !permit || amount != nil else {
            throw ValidationError(
                "Give either --amount, with or without --permit, or --authorization.")
        }
    }

    func run() async throws {
        let (session, settlement) = try await options.open()
        if let authorization {
            let document = try DepositDocument(contentsOf: authorization)
            let (signed, signature) = try await document.checked(session, settlement)
            return try session.finish(
                "deposit",
                await settlement.deposit(signed, signature: signature, from: session.sender))
        }
        let units = try dollarUnits(amount ?? "")
        guard permit else {
            return try await session.pay(units, to: settlement, "deposit") {
                await settlement.deposit($0, from: session.sender)
            }
        }
        let key = try options.chain.signingKey("--permit")
        let usd = try await session.token("USDC", of: settlement)
        let permit: TokenPermit
        let domain: TokenDomain
        do throws(ChainError) {
            domain = try await usd.domain()
            permit = TokenPermit(
                owner: key.address, spender: settlement.address, amount: units,
                nonce: try await usd.permitNonce(of: key.address),
                deadline: try await session.chain.head().timestamp + 3_600)
        } catch {
            throw session.fail(error)
        }
        try session.finish(
            "deposit",
            await settlement.deposit(
                permit, signature: key.sign(permit.digest(in: domain)), from: session.sender))
    }
}

/// `exchequer contracts authorize-deposit`: a deposit that somebody else sends.
struct AuthorizeDepositCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "authorize-deposit",
        abstract: "Sign a deposit that anybody may send for you.",
        discussion: """
            For an account with dollars and without the chain's own coin. Nothing is sent and it \
            costs nothing: the file is leave for this contract alone to fetch the dollars, once, \
            and the balance is yours whoever sends it (exchequer contracts deposit \
            --authorization). Until it is sent or its time is over the dollars can still be spent \
            otherwise.

            EXAMPLES
              exchequer contracts authorize-deposit --rpc URL --contract 0x.. --key-file my.key \\
                  --amount 5 --out deposit.json
            """)

    @OptionGroup var options: ContractOptions
    @Option(help: "How many dollars.") var amount: String
    @Option(help: "For how many seconds it counts.") var validFor: UInt64 = 86_400
    @Option(help: "File to write it to.", completion: .file()) var out: String

    func validate() throws {
        guard (60...31_536_000).contains(validFor) else {
            throw ValidationError("--valid-for is 60 seconds to a year.")
        }
    }

    func run() async throws {
        let (session, settlement) = try await options.open()
        let key = try options.chain.signingKey("A deposit is signed")
        let usd = try await session.token("USDC", of: settlement)
        guard let nonce = Digest(Entropy.bytes(32)) else { return }
        let domain: TokenDomain
        let now: UInt64
        do throws(ChainError) {
            domain = try await usd.domain()
            now = try await session.chain.head().timestamp
        } catch {
            throw session.fail(error)
        }
        let authorization = ReceiveAuthorization(
            from: key.address, to: settlement.address, amount: try dollarUnits(amount),
            validAfter: 0, validBefore: now + validFor, nonce: nonce)
        let document = DepositDocument(
            authorization, in: domain, signature: key.sign(authorization.digest(in: domain)))
        try document.write(to: out)
        if options.chain.json {
            try Console.put(json: document)
        } else {
            Console.put(
                "\(amount) dollars of \(key.address.checksummed), until second "
                    + "\(authorization.validBefore): \(out)")
        }
    }
}

/// A signed deposit as a file: the `authorization` and `signature` of x402's `exact` scheme on EVM
/// chains, and what they are for. Numbers are decimal text.
struct DepositDocument: Codable {
    /// The parts of EIP-3009's `ReceiveWithAuthorization`.
    struct Authorization: Codable {
        let from, to, value, validAfter, validBefore, nonce: String
    }

    let scheme, network, asset: String
    let authorization: Authorization
    let signature: String

    private static let scheme = "exchequer-deposit"

    init(
        _ signed: ReceiveAuthorization, in domain: TokenDomain, signature: RecoverableSignature
    ) {
        scheme = Self.scheme
        network = "eip155:\(domain.chainID)"
        asset = domain.token.checksummed
        authorization = Authorization(
            from: signed.from.checksummed, to: signed.to.checksummed, value: "\(signed.amount)",
            validAfter: "\(signed.validAfter)", validBefore: "\(signed.validBefore)",
            nonce: "0x\(signed.nonce.hex)")
        self.signature = "0x" + Hex.encode(signature.bytes)
    }

    init(contentsOf path: String) throws {
        guard let data = FileManager.default.contents(atPath: path) else {
            Console.say("\(path) cannot be read")
            throw Exit.configuration
        }
        do {
            self = try JSONDecoder().decode(Self.self, from: data)
        } catch {
            Console.say("\(path) is no deposit of exchequer contracts authorize-deposit")
            throw Exit.configuration
        }
    }

    /// Writes it to a file that was not there.
    func write(to path: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes, .prettyPrinted]
        do {
            let data = try encoder.encode(self) + Data("\n".utf8)
            try data.write(to: URL(fileURLWithPath: path), options: .withoutOverwriting)
        } catch {
            Console.say("\(path) cannot be written: \(error.localizedDescription)")
            throw Exit.configuration
        }
    }

    /// What is signed, if it is for this chain and contract and by the account that it names: so
    /// that nobody pays gas for what the token would refuse. Ends the command otherwise.
    func checked(
        _ session: ChainSession, _ settlement: SettlementContract
    ) async throws -> (ReceiveAuthorization, RecoverableSignature) {
        let usd = try await session.token("USDC", of: settlement)
        let domain: TokenDomain
        do throws(ChainError) {
            domain = try await usd.domain()
        } catch {
            throw session.fail(error)
        }
        guard scheme == Self.scheme, network == "eip155:\(session.chain.chainID)",
            EVMAddress(checking: asset) == usd.address
        else { throw Self.wrong("it is for another chain or token") }
        guard let signed = parts, let bytes = Hex.decode(signature),
            let signature = RecoverableSignature(bytes)
        else { throw Self.wrong("it is malformed") }
        guard signed.to == settlement.address else {
            throw Self.wrong("it is for the contract \(signed.to.checksummed)")
        }
        guard signature.recover(signed.digest(in: domain)) == signed.from else {
            throw Self.wrong("it is not signed by \(signed.from.checksummed), or changed since")
        }
        return (signed, signature)
    }

    private var parts: ReceiveAuthorization? {
        guard let from = EVMAddress(checking: authorization.from),
            let to = EVMAddress(checking: authorization.to),
            let amount = UInt128(authorization.value),
            let validAfter = UInt64(authorization.validAfter),
            let validBefore = UInt64(authorization.validBefore),
            let nonce = Digest(hex: authorization.nonce)
        else { return nil }
        return ReceiveAuthorization(
            from: from, to: to, amount: amount, validAfter: validAfter, validBefore: validBefore,
            nonce: nonce)
    }

    private static func wrong(_ why: String) -> ExitCode {
        Console.say("the deposit is refused: \(why)")
        return Exit.checkFailed
    }
}
