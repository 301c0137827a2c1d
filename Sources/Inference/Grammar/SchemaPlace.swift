/// A schema and where it stands in the text that is compiled.
struct SchemaPlace {
    let schema: OrderedJSON
    /// A JSON pointer (RFC 6901) as a fragment.
    let pointer: String
    /// The references that led here with nothing read between.
    let references: [String]

    init(_ schema: OrderedJSON, _ pointer: String, references: [String] = []) {
        self.schema = schema
        self.pointer = pointer
        self.references = references
    }

    func fault(_ code: SchemaError.Code, _ what: String) -> SchemaError {
        SchemaError(code, "\(pointer.prefix(200)): \(what.prefix(200))")
    }

    /// A keyword that counts something.
    func count(_ keyword: String) throws(SchemaError) -> Int? {
        guard let value = schema[keyword] else { return nil }
        guard case .number(let text) = value, let count = Int(text), count >= 0 else {
            throw fault(.invalidKeyword, "\(keyword) is a whole number from 0")
        }
        return count
    }

    /// A bound of an integer, rounded to a whole number.
    func integer(_ keyword: String, roundUp: Bool) throws(SchemaError) -> Int? {
        guard let value = schema[keyword] else { return nil }
        guard case .number(let text) = value, let number = Double(text),
            number.magnitude <= Double(AutomatonBuilder.largestInteger)
        else { throw fault(.invalidKeyword, "\(keyword) is a number of at most 18 digits") }
        return Int(text) ?? Int(number.rounded(roundUp ? .up : .down))
    }

    func order(_ low: Int, _ high: Int?, _ what: String) throws(SchemaError) {
        if let high, low > high { throw fault(.impossible, "\(what) leave nothing") }
    }
}
