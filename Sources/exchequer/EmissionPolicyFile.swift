import Economics
import Foundation
import Primitives

/// The `emission` object of a parameters file: `policy`, a name of `EmissionPolicy.catalogue`, and
/// every parameter of that policy. Tokens are decimal text; whole numbers may be text too, since
/// some are too long for other programs' JSON.
struct EmissionPolicyFile: Decodable {
    let policy: EmissionPolicy

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: FileKey.self)
        func refusal(_ name: String, _ reason: String) -> DecodingError {
            .dataCorruptedError(
                forKey: FileKey(stringValue: name), in: values, debugDescription: reason)
        }
        let nameKey = FileKey(stringValue: "policy")
        guard values.contains(nameKey) else { throw refusal("policy", "which one is not said") }
        let name = try values.decode(String.self, forKey: nameKey)
        guard let keys = EmissionPolicy.catalogue.first(where: { $0.name == name })?.keys else {
            throw refusal("policy", "no such policy: \(name)")
        }
        var numbers: [(name: String, value: UInt128)] = []
        for key in values.allKeys.sorted(by: { $0.stringValue < $1.stringValue }) {
            if key.stringValue == "policy" { continue }
            guard let known = keys.first(where: { $0.name == key.stringValue }) else {
                throw refusal(key.stringValue, "\(name) has no such parameter")
            }
            numbers.append((known.name, try Self.number(known, in: values, forKey: key)))
        }
        for key in keys where !numbers.contains(where: { $0.name == key.name }) {
            throw refusal(key.name, "\(name) needs this parameter")
        }
        do throws(EconomicsError) {
            policy = try EmissionPolicy(name: name, values: numbers)
        } catch .invalid(let key) {
            throw refusal(key, "a number that is too large")
        } catch {
            throw refusal(name, "\(error)")
        }
    }

    private static func number(
        _ known: PolicyKey, in values: KeyedDecodingContainer<FileKey>, forKey key: FileKey
    ) throws -> UInt128 {
        if known.unit == .count, let whole = try? values.decode(UInt64.self, forKey: key) {
            return UInt128(whole)
        }
        let text = try values.decode(String.self, forKey: key)
        let number =
            known.unit == .tokens ? Asset.tly.parse(text)?.units : UInt128(text, radix: 10)
        guard let number else {
            throw DecodingError.dataCorruptedError(
                forKey: key, in: values,
                debugDescription: known.unit == .tokens ? "not decimal text" : "not a whole number")
        }
        return number
    }
}

/// Any name that a file may have.
struct FileKey: CodingKey {
    let stringValue: String
    let intValue: Int? = nil
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
}
