// GetJob and ScheduleJob on the code that gSOAP makes of the WSDL: server JOB.xml
// One process, a thread for each connection, as gSOAP's servers that keep connections have it.

#include "SchedulingServiceSoap11.nsmap"
#include "soapH.h"

#include <cstdlib>
#include <fstream>
#include <iostream>
#include <map>
#include <random>
#include <string>
#include <thread>

namespace {

std::map<std::string, ns1__Job *> jobs;
std::string login_name, login_password;

// Without SOAP_XML_STRICT it takes what the schema has no place for; no mode checks patterns.
// A tree: else it looks for pointers that several elements share.
constexpr int kMode = SOAP_XML_STRICT | SOAP_XML_TREE | SOAP_IO_KEEPALIVE;

bool known(const soap *call) {
  return call->userid && call->passwd && login_name == call->userid &&
         login_password == call->passwd;
}

std::string new_id() {
  static thread_local std::mt19937_64 random{std::random_device{}()};
  const unsigned long long high = random(), low = random();
  char text[39];
  std::snprintf(text, sizeof text, "{%08llX-%04llX-%04llX-%04llX-%012llX}", high >> 32,
                high >> 16 & 0xffff, high & 0xffff, low >> 48, low & 0xffffffffffffULL);
  return text;
}

void serve(soap *connection) {
  soap_serve(connection);
  soap_destroy(connection);
  soap_end(connection);
  soap_free(connection);
}

std::string variable(const char *name) {
  const char *value = std::getenv(name);
  return value ? value : "";
}

int port_of(soap *server) {
  sockaddr_in address{};
  socklen_t length = sizeof address;
  getsockname(server->master, reinterpret_cast<sockaddr *>(&address), &length);
  return ntohs(address.sin_port);
}

}  // namespace

int __ns1__GetJob(soap *call, ns1__GetJob *asked, ns1__GetJobResponse &answer) {
  if (!known(call)) return 401;
  const auto found = asked->jobId ? jobs.find(*asked->jobId) : jobs.end();
  if (found == jobs.end()) return soap_sender_fault(call, "there is no such job", nullptr);
  answer.GetJobResult = found->second;
  return SOAP_OK;
}

// As the gateway answers it: with an id and a status, without the parameters.
int __ns1__ScheduleJob(soap *call, ns1__ScheduleJob *asked, ns1__ScheduleJobResponse &answer) {
  if (!known(call)) return 401;
  ns1__Job *job = asked->job;
  if (!job || !job->When) return soap_sender_fault(call, "the job has no time", nullptr);
  job->JobID = soap_new_std__string(call);
  *job->JobID = new_id();
  job->Parameters = soap_new_ns1__ArrayOfParameterSet(call);
  job->ScheduleInParallel = static_cast<bool *>(soap_malloc(call, sizeof(bool)));
  *job->ScheduleInParallel = false;
  ns1__JobStatus *status = soap_new_ns1__JobStatus(call);
  status->JobInvoker = soap_new_std__string(call);
  *status->JobInvoker = "InvokeUser";
  status->JobInvokerInfo = soap_new_std__string(call);
  *status->JobInvokerInfo = login_name;
  status->StartDateTime = job->When->ScheduledDateTime;
  using Type = ns1__JobStatusType;
  status->Type = static_cast<Type *>(soap_malloc(call, sizeof(Type)));
  *status->Type = ns1__JobStatusType__Scheduled;
  job->Status = status;
  answer.ScheduleJobResult = job;
  return SOAP_OK;
}

// The published WSDL has more operations than are measured.
#define NOT_MEASURED(name) \
  int __ns1__##name(soap *, ns1__##name *, ns1__##name##Response &) { return SOAP_NO_METHOD; }
NOT_MEASURED_OPERATIONS

int main(int, char **arguments) {
  login_name = variable("MEASURED_NAME");
  login_password = variable("MEASURED_PASSWORD");

  soap reader(SOAP_XML_STRICT);
  std::ifstream file(arguments[1]);
  reader.is = &file;
  auto *job = soap_new_ns1__Job(&reader);
  if (soap_read_ns1__Job(&reader, job) != SOAP_OK || !job->JobID) {
    soap_print_fault(&reader, stderr);
    return 1;
  }
  jobs[*job->JobID] = job;

  soap server(kMode);
  server.max_keep_alive = 0;  // without end
  server.accept_flags = 0;
  if (!soap_valid_socket(soap_bind(&server, "127.0.0.1", 0, 128))) {
    soap_print_fault(&server, stderr);
    return 1;
  }
  std::cout << "listening on port " << port_of(&server) << std::endl;
  while (soap_valid_socket(soap_accept(&server))) {
    std::thread(serve, soap_copy(&server)).detach();
  }
  soap_print_fault(&server, stderr);
  return 1;
}
