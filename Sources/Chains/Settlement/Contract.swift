public import Primitives

/// A deployed contract with its interface.
public struct Contract: Sendable {
    /// The chain it is on.
    public let chain: EVMChain
    /// Where it is.
    public let address: EVMAddress
    /// Its interface.
    public let artifact: ContractArtifact

    /// The contract at an address.
    public init(chain: EVMChain, address: EVMAddress, artifact: ContractArtifact) {
        self.chain = chain
        self.address = address
        self.artifact = artifact
    }

    /// Deploys a contract and waits until it stands.
    public static func deploy(
        _ artifact: ContractArtifact, _ arguments: [ABIValue], from sender: EVMSender
    ) async throws(TransactionError) -> Contract {
        let data: [UInt8]
        do {
            data = try artifact.deployData(arguments)
        } catch {
            throw TransactionError(.failed(.notSent(.abi(error))))
        }
        let outcome = await sender.send(to: nil, data: data)
        guard case .settled(let receipt) = outcome, let address = receipt.contractAddress else {
            throw TransactionError(outcome)
        }
        return Contract(chain: sender.chain, address: address, artifact: artifact)
    }

    /// Asks the contract without a transaction.
    public func read(
        _ function: String, _ arguments: [ABIValue] = [], at height: UInt64? = nil
    ) async throws(ChainError) -> [ABIValue] {
        let data: [UInt8]
        do throws(ABIError) {
            data = try artifact.callData(function, arguments)
        } catch {
            throw .abi(error)
        }
        let result = try await chain.call(address, data, at: height)
        do throws(ABIError) {
            return try artifact.results(of: function, result)
        } catch {
            throw .abi(error)
        }
    }

    /// Asks for one value.
    func readOne<Value>(
        _ function: String, _ arguments: [ABIValue] = [],
        _ convert: (ABIValue) throws(ABIError) -> Value
    ) async throws(ChainError) -> Value {
        let values = try await read(function, arguments)
        guard let value = values.first else { throw .abi(.truncated) }
        do {
            return try convert(value)
        } catch {
            throw .abi(error)
        }
    }

    /// Calls the contract with a transaction and waits for its outcome.
    public func send(
        _ function: String, _ arguments: [ABIValue], from sender: EVMSender,
        beforeSending: @escaping BeforeSending = { _ in }
    ) async -> TransactionOutcome {
        let data: [UInt8]
        do {
            data = try artifact.callData(function, arguments)
        } catch {
            return .failed(.notSent(.abi(error)))
        }
        return await sender.send(to: address, data: data, beforeSending: beforeSending)
    }
}

/// A transaction that had to be settled and is not: its outcome says whether it failed or is
/// unknown.
public struct TransactionError: Error, Hashable, Sendable {
    /// What is known.
    public let outcome: TransactionOutcome

    /// An error of this outcome.
    public init(_ outcome: TransactionOutcome) {
        self.outcome = outcome
    }
}
