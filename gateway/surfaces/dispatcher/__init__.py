"""The Dispatcher Web API: REST in XML and JSON, and SOAP, as its clients know it."""
