import Cryptography
public import Foundation
public import Primitives

/// What a compiler made of a contract: its interface and its code.
///
/// Read from `contracts-abi/evm/*.json`, which have the fields `abi` and `bytecode`.
public struct ContractArtifact: Sendable {
    /// A function: its parameters and results.
    public struct Function: Hashable, Sendable {
        /// Its name.
        public let name: String
        /// Parameter types in order.
        public let inputs: [ABIType]
        /// Result types in order.
        public let outputs: [ABIType]
        /// The first four bytes of Keccak-256 of the signature.
        public let selector: [UInt8]
    }

    /// An event: its parameters and which of them are topics.
    public struct Event: Hashable, Sendable {
        /// Its name.
        public let name: String
        /// Parameter types in order.
        public let inputs: [ABIType]
        /// Which parameters are topics, in the same order.
        public let indexed: [Bool]
        /// Keccak-256 of the signature: the first topic of its logs.
        public let topic: Digest
    }

    /// The functions, in the artefact's order.
    public let functions: [Function]
    /// The events, in the artefact's order.
    public let events: [Event]
    /// Parameter types of the constructor.
    public let constructorInputs: [ABIType]
    /// The code that deploys the contract.
    public let bytecode: [UInt8]

    /// Reads an artefact file.
    public init(contentsOf file: URL) throws(ABIError) {
        guard let data = try? Data(contentsOf: file), data.count <= 16 << 20 else {
            throw .badArtifact("file \(file.lastPathComponent)")
        }
        try self.init(json: Array(data))
    }

    /// Reads an artefact.
    public init(json: [UInt8]) throws(ABIError) {
        guard let raw = try? JSONDecoder().decode(RawArtifact.self, from: Data(json)) else {
            throw .badArtifact("JSON")
        }
        guard let bytecode = Hex.decode(raw.bytecode) else { throw .badArtifact("bytecode") }
        var functions: [Function] = []
        var events: [Event] = []
        var constructor: [ABIType] = []
        for entry in raw.abi {
            let inputs = try (entry.inputs ?? []).types()
            switch entry.type {
            case "function":
                let name = entry.name ?? ""
                functions.append(
                    Function(
                        name: name, inputs: inputs, outputs: try (entry.outputs ?? []).types(),
                        selector: Array(Self.hash(name, inputs).bytes.prefix(4))))
            case "event":
                let name = entry.name ?? ""
                events.append(
                    Event(
                        name: name, inputs: inputs,
                        indexed: (entry.inputs ?? []).map { $0.indexed ?? false },
                        topic: Self.hash(name, inputs)))
            case "constructor": constructor = inputs
            default: continue
            }
        }
        self.functions = functions
        self.events = events
        self.bytecode = bytecode
        constructorInputs = constructor
    }

    private static func hash(_ name: String, _ types: [ABIType]) -> Digest {
        Keccak256.hash(Array("\(name)\(ABIType.tuple(types).signature)".utf8))
    }

    /// The function of this name. Vyper has no overloading, so there is at most one.
    public func function(_ name: String) throws(ABIError) -> Function {
        guard let function = functions.first(where: { $0.name == name }) else {
            throw .unknownName(name)
        }
        return function
    }

    /// The event of this name.
    public func event(_ name: String) throws(ABIError) -> Event {
        guard let event = events.first(where: { $0.name == name }) else {
            throw .unknownName(name)
        }
        return event
    }

    /// The data of a call.
    public func callData(_ name: String, _ arguments: [ABIValue]) throws(ABIError) -> [UInt8] {
        let function = try function(name)
        return function.selector + (try ABIEncoder.encode(arguments, as: function.inputs))
    }

    /// The values a call returned.
    public func results(of name: String, _ data: [UInt8]) throws(ABIError) -> [ABIValue] {
        try ABIDecoder.decode(data, as: try function(name).outputs)
    }

    /// The data of the transaction that deploys the contract.
    public func deployData(_ arguments: [ABIValue]) throws(ABIError) -> [UInt8] {
        bytecode + (try ABIEncoder.encode(arguments, as: constructorInputs))
    }

    /// The name of the event a log is, and its values in the order of the parameters; `nil` for an
    /// event that is not in the interface.
    public func decode(
        _ log: EVMLog
    ) throws(ABIError) -> (name: String, values: [ABIValue])? {
        guard let topic = log.topics.first, let event = events.first(where: { $0.topic == topic })
        else { return nil }
        let parameters = zip(event.inputs, event.indexed)
        guard log.topics.count == 1 + event.indexed.filter(\.self).count else { throw .truncated }
        var fields = try ABIDecoder.decode(
            log.data, as: parameters.filter { !$0.1 }.map(\.0))[...]
        var topics = log.topics.dropFirst()
        var values: [ABIValue] = []
        for (type, isTopic) in parameters {
            values.append(
                isTopic
                    ? try ABIDecoder.decodeWord(topics.removeFirst(), as: type)
                    : fields.removeFirst())
        }
        return (event.name, values)
    }
}

private struct RawArtifact: Decodable {
    let abi: [RawEntry]
    let bytecode: String
}

private struct RawEntry: Decodable {
    let type: String
    let name: String?
    let inputs: [RawParameter]?
    let outputs: [RawParameter]?
}

private struct RawParameter: Decodable {
    let type: String
    let indexed: Bool?
    let components: [RawParameter]?
}

extension [RawParameter] {
    fileprivate func types() throws(ABIError) -> [ABIType] {
        var types: [ABIType] = []
        for parameter in self {
            types.append(
                try ABIType(parameter.type, components: try (parameter.components ?? []).types()))
        }
        return types
    }
}
