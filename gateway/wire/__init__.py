"""What surfaces share on the wire: encodings, safe XML, JSON, messages, negotiation, errors."""
