import Cryptography
public import Economics
public import Foundation
public import Primitives

/// A model's state in a file, with all it was run under: any run of the same model can begin there.
///
/// The bytes: `XCKP`, version 1 (UInt32), the model's name, steps and seed (UInt64), the values
/// (counted, Int64), the rules (canonical), the model's digest (UInt64), its body (counted), and
/// SHA-256 of everything before.
public struct Checkpoint: Sendable {
    /// The model's name.
    public let model: String
    /// Steps done.
    public let step: Int
    /// The run's seed.
    public let seed: UInt64
    /// The run's values.
    public let values: [Int64]
    /// The run's rules.
    public let rules: Parameters
    /// SHA-256 of the file.
    public let fileDigest: Digest
    private let digest: UInt64
    private let body: [UInt8]

    private static let magic: UInt32 = 0x504B_4358
    private static let mostBody = 1 << 31

    /// The bytes of a model's state.
    static func bytes<Model: SimulationModel>(
        _ model: Model, values: [Int64], rules: Parameters, seed: UInt64
    ) -> [UInt8] {
        var body = ByteWriter()
        model.encode(into: &body)
        var writer = ByteWriter()
        writer.write(magic)
        writer.write(UInt32(1))
        writer.write(Model.name)
        writer.write(UInt64(model.steps))
        writer.write(seed)
        writer.write(UInt32(values.count))
        for value in values { writer.write(UInt64(bitPattern: value)) }
        writer.write(rules)
        writer.write(model.digest)
        writer.write(body.bytes)
        return writer.bytes + SHA256.hash(writer.bytes).bytes
    }

    /// Reads a file.
    public init(file: URL) throws(StudyFault) {
        guard let data = FileManager.default.contents(atPath: file.path) else {
            throw StudyFault("\(file.path) cannot be read")
        }
        let bytes = Array(data)
        guard bytes.count > 32, SHA256.hash(Array(bytes.dropLast(32))).bytes == bytes.suffix(32)
        else { throw StudyFault("\(file.path) is no checkpoint, or damaged") }
        do throws(CodecError) {
            try self.init(bytes)
        } catch {
            throw StudyFault("\(file.path) is no checkpoint of this version (\(error))")
        }
    }

    private init(_ bytes: [UInt8]) throws(CodecError) {
        fileDigest = SHA256.hash(bytes)
        var reader = ByteReader(Array(bytes.dropLast(32)))
        guard try reader.readUInt32() == Self.magic, try reader.readUInt32() == 1 else {
            throw .invalidValue("version")
        }
        model = try reader.readString(limit: 100)
        step = Int(clamping: try reader.readUInt64())
        seed = try reader.readUInt64()
        var values: [Int64] = []
        for _ in 0..<(try reader.readCount(limit: 10_000)) {
            values.append(Int64(bitPattern: try reader.readUInt64()))
        }
        self.values = values
        rules = try reader.read()
        digest = try reader.readUInt64()
        body = try reader.readBytes(limit: Self.mostBody)
        try reader.finish()
    }

    /// The model, to be gone on with under these values, rules and seed.
    func resume<Model: SimulationModel>(
        _ type: Model.Type, values: [Int64], rules: Parameters, demand: TraceDemand?, seed: UInt64
    ) throws(ScenarioError) -> Model {
        if Model.name != self.model {
            throw ScenarioError("the checkpoint is of the model \(self.model)")
        }
        var reader = ByteReader(body)
        let model: Model
        if let demand {
            model = try Model(
                from: &reader, values: values, rules: rules, demand: demand, seed: seed)
        } else {
            model = try Model(from: &reader, values: values, rules: rules, seed: seed)
        }
        if reader.remaining > 0 || model.steps != step || model.digest != digest {
            throw ScenarioError("the checkpoint does not fit this version of the model")
        }
        return model
    }
}
