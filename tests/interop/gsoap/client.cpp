// Every operation through gSOAP, as its users write it: proxies and types that wsdl2h and soapcpp2
// have made. Optional members are pointers; a call answers 0, or else the proxy has the fault.
#include <chrono>
#include <cstdlib>
#include <fstream>
#include <functional>
#include <iostream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#ifdef Soap12
#include "SchedulingServiceSoap12.nsmap"
#include "soapResourceServiceSoap12Proxy.h"
#include "soapSchedulingServiceSoap12Proxy.h"
using P = SchedulingServiceSoap12Proxy;
using R = ResourceServiceSoap12Proxy;
#else
#include "SchedulingServiceSoap11.nsmap"
#include "soapResourceServiceSoap11Proxy.h"
#include "soapSchedulingServiceSoap11Proxy.h"
using P = SchedulingServiceSoap11Proxy;
using R = ResourceServiceSoap11Proxy;
#endif

using Values = std::vector<std::pair<std::string, std::string>>;

static std::string given(const char *name) {
    const char *found = std::getenv(name);
    return found ? found : "";
}

static void tell(const std::string &step, const std::string &key, const std::string &value) {
    std::string told;
    for (char one : value) {
        switch (one) {
        case '\\': told += "\\\\"; break;
        case '\n': told += "\\n"; break;
        case '\r': told += "\\r"; break;
        case '\t': told += "\\t"; break;
        default: told += one;
        }
    }
    std::cout << step << '\t' << key << '\t' << told << std::endl;
}

// One proxy for each service and password; the credentials are wanted anew for every call.
template <class Proxy> class Service {
  public:
    Service(const char *address, std::string password)
        : endpoint(given(address)), password(std::move(password)),
          proxy(endpoint.c_str(), SOAP_C_UTFSTRING | SOAP_IO_KEEPALIVE) {
        proxy.soap->recv_timeout = proxy.soap->send_timeout = 120;
    }

    template <class Request, class Response>
    int tried(int (Proxy::*operation)(Request *, Response &), Request &request, Response &response) {
        login = given("LOGIN");
        proxy.soap->userid = login.c_str();
        proxy.soap->passwd = password.c_str();
        return (proxy.*operation)(&request, response);
    }

    template <class Request, class Response>
    void call(int (Proxy::*operation)(Request *, Response &), Request &request, Response &response) {
        if (tried(operation, request, response)) {
            char text[1000] = "";
            proxy.soap_sprint_fault(text, sizeof text);
            throw std::runtime_error(text);
        }
    }

    std::string endpoint, password, login;
    Proxy proxy;
};

using Scheduling = Service<P>;
using Resources = Service<R>;

static Scheduling scheduling("SCHEDULING", given("PASSWORD"));
static Resources resources("RESOURCES", given("PASSWORD"));
static std::string job, resource;

template <class T> T *made(const T &value) { return new T(value); }  // the program ends soon

static std::string text(const std::string *value) { return value ? *value : ""; }

static std::string what(const ns1__JobWhatType *type) {
    return type ? soap_ns1__JobWhatType2s(scheduling.proxy.soap, *type) : "";
}

static std::string who(const ns1__JobWhoType *type) {
    return type ? soap_ns1__JobWhoType2s(scheduling.proxy.soap, *type) : "";
}

static std::string kind(const ns1__JobParameterType *type) {
    return type ? soap_ns1__JobParameterType2s(scheduling.proxy.soap, *type) : "";
}

static std::string status(const ns1__JobStatusType *type) {
    return type ? soap_ns1__JobStatusType2s(scheduling.proxy.soap, *type) : "";
}

static std::string shown(const ns1__JobWhat &one) {
    return text(one.ID) + "|" + what(one.Type) + "|" + text(one.Name);
}

static std::string shown(const ns1__JobWho &one) {
    return text(one.ID) + "|" + who(one.Type) + "|" + text(one.Name);
}

static std::string utc(const time_t *moment) {
    char shown[40] = "";
    if (moment) std::strftime(shown, sizeof shown, "%Y-%m-%dT%H:%M:%S+00:00", std::gmtime(moment));
    return shown;
}

static ns1__JobWho *member(const std::string *id, const std::string *name, ns1__JobWhoType type) {
    auto one = new ns1__JobWho();
    one->ID = id ? made(*id) : nullptr;
    one->Name = name ? made(*name) : nullptr;
    one->Type = made(type);
    return one;
}

static ns1__ArrayOfJobWho *members(ns1__JobWho *one) {
    auto list = new ns1__ArrayOfJobWho();
    list->JobWho.push_back(one);
    return list;
}

static ns1__Job *order(const std::string &module, ns1__When *when, const Values &values) {
    auto given_values = new ns1__ArrayOfParameter();
    for (const auto &[name, value] : values) {
        auto one = new ns1__Parameter();
        one->Name = made(name);
        one->Value1 = made(value);
        given_values->Parameter.push_back(one);
    }
    auto set = new ns1__ParameterSet();
    set->Type = made(ns1__JobWhatType__Module);
    set->TaskContainerGuid = made(module);
    set->JobParameters = given_values;
    auto what = new ns1__JobWhat();
    what->ID = made(module);
    what->Type = made(ns1__JobWhatType__Module);
    auto job = new ns1__Job();
    job->Description = made(given("DESCRIPTION"));
    job->When = when;
    job->What = new ns1__ArrayOfJobWhat();
    job->What->JobWhat.push_back(what);
    auto agent = given("AGENT");
    job->Who = members(member(&agent, nullptr, ns1__JobWhoType__Agent));
    job->Parameters = new ns1__ArrayOfParameterSet();
    job->Parameters->ParameterSet.push_back(set);
    return job;
}

static void modules() {
    ns1__GetModules request;
    ns1__GetModulesResponse answer;
    scheduling.call(&P::GetModules, request, answer);
    for (auto one : answer.GetModulesResult->JobWhat) tell("modules", "item", shown(*one));
}

static void projects() {
    ns1__GetProjects request;
    ns1__GetProjectsResponse answer;
    scheduling.call(&P::GetProjects, request, answer);
    for (auto one : answer.GetProjectsResult->JobWhat) tell("projects", "item", shown(*one));
}

static void runbooks() {
    ns1__GetRunBooks request;
    ns1__GetRunBooksResponse answer;
    scheduling.call(&P::GetRunBooks, request, answer);
    for (auto one : answer.GetRunBooksResult->JobWhat) tell("runbooks", "item", shown(*one));
}

static void list_who(const std::string &step, bool *agents, bool *teams) {
    ns1__GetWho request;
    request.agents = agents;
    request.teams = teams;
    ns1__GetWhoResponse answer;
    scheduling.call(&P::GetWho, request, answer);
    for (auto one : answer.GetWhoResult->JobWho) tell(step, "item", shown(*one));
}

static void parameters(const std::string &step, const ns1__ParameterSet &set) {
    tell(step, "set", what(set.Type) + "|" + text(set.TaskContainerGuid) + "|" + text(set.TaskContainerName));
    for (auto one : set.JobParameters->Parameter) {
        tell(step, "parameter", text(one->Name) + "|" + kind(one->Type) + "|" + text(one->Value1) + "|" +
             text(one->Value2) + "|" + text(one->Value3) + "|" + text(one->Hint));
    }
}

static void inputs() {
    ns1__GetInputParameters request;
    request.whatType = made<std::string>("Module");
    request.whatId = made(given("MODULE"));
    ns1__GetInputParametersResponse answer;
    scheduling.call(&P::GetInputParameters, request, answer);
    parameters("inputs", *answer.GetInputParametersResult);
}

static void outputs() {
    ns1__GetOutputParameters request;
    request.whatType = made<std::string>("Module");
    request.whatId = made(given("MODULE"));
    ns1__GetOutputParametersResponse answer;
    scheduling.call(&P::GetOutputParameters, request, answer);
    parameters("outputs", *answer.GetOutputParametersResult);
}

static void schedule() {
    auto when = new ns1__When();
    time_t start;
    soap_s2dateTime(scheduling.proxy.soap, given("START").c_str(), &start);
    when->ScheduledDateTime = made(start);
    when->Immediate = made(false);
    when->IsLocalTime = made(false);
    ns1__ScheduleJob request;
    request.job = order(given("MODULE"), when,
        {{"Title", given("TITLE")}, {"Size", "L"}, {"Note", given("NOTE")}, {"Empty", ""}, {"Secret", given("SECRET")}});
    ns1__ScheduleJobResponse answer;
    scheduling.call(&P::ScheduleJob, request, answer);
    job = text(answer.ScheduleJobResult->JobID);
    tell("schedule", "id", job);
    tell("schedule", "status", status(answer.ScheduleJobResult->Status->Type));
    tell("schedule", "invoker", text(answer.ScheduleJobResult->Status->JobInvoker));
}

static void get() {
    ns1__GetJob request;
    request.jobId = made(job);
    ns1__GetJobResponse answer;
    scheduling.call(&P::GetJob, request, answer);
    const auto &found = *answer.GetJobResult;
    tell("get", "description", text(found.Description));
    tell("get", "start", utc(found.When->ScheduledDateTime));
    tell("get", "status", status(found.Status->Type));
    tell("get", "immediate", *found.When->Immediate ? "true" : "false");
    for (auto one : found.What->JobWhat) tell("get", "what", shown(*one));
    for (auto one : found.Who->JobWho) tell("get", "who", shown(*one));
    for (auto one : found.Parameters->ParameterSet[0]->JobParameters->Parameter) {
        tell("get", "parameter", text(one->Name) + "|" + kind(one->Type) + "|" + text(one->Value1));
    }
}

static void page() {
    for (int number = 1; number <= 2; number++) {
        ns1__GetJobs request;
        request.stage = made<std::string>("Scheduled");
        request.page = made(number);
        request.pageSize = made(2);
        ns1__GetJobsResponse answer;
        scheduling.call(&P::GetJobs, request, answer);
        const auto &found = *answer.GetJobsResult;
        tell("page", "current", std::to_string(*found.CurrentPage));
        tell("page", "pages", std::to_string(*found.PageCount));
        for (auto one : found.Items->Job) tell("page", number == 1 ? "first" : "second", text(one->JobID));
    }
}

static void abort_job() {
    ns1__AbortJob request;
    request.jobId = made(job);
    request.status = new ns1__JobStatus();
    request.status->Type = made(ns1__JobStatusType__Aborting);
    ns1__AbortJobResponse answer;
    scheduling.call(&P::AbortJob, request, answer);
    tell("abort", "id", job);
    tell("abort", "status", status(answer.AbortJobResult->Type));
}

// The document is UTF-16, of which these results use the basic plane only.
static std::string utf8(const unsigned char *data, int size) {
    std::string text;
    for (int at = 0; at + 1 < size; at += 2) {
        unsigned one = data[at] | data[at + 1] << 8;
        if (one < 0x80) {
            text += char(one);
        } else if (one < 0x800) {
            text += {char(0xC0 | one >> 6), char(0x80 | (one & 0x3F))};
        } else {
            text += {char(0xE0 | one >> 12), char(0x80 | (one >> 6 & 0x3F)), char(0x80 | (one & 0x3F))};
        }
    }
    return text;
}

static void results() {
    ns1__ExportJobResults request;
    request.jobId = made(given("FINISHED"));
    request.includeOverview = made(true);
    request.includeDetailed = made(true);
    ns1__ExportJobResultsResponse answer;
    scheduling.call(&P::ExportJobResults, request, answer);
    const auto &document = *answer.ExportJobResultsResult->Xml;
    tell("results", "text", utf8(document.__ptr, document.__size));
}

static void teams_report() {
    ns1__GetTeamsReport request;
    ns1__GetTeamsReportResponse answer;
    scheduling.call(&P::GetTeamsReport, request, answer);
    for (auto team : answer.GetTeamsReportResult->TeamReport) {
        tell("teamsreport", "team", text(team->ID) + "|" + text(team->Name));
        for (auto agent : team->Agents->TeamAgent) {
            tell("teamsreport", "agent", text(team->Name) + "|" + text(agent->Name) + "|" + (*agent->Online ? "true" : "false"));
        }
    }
}

static void usage() {
    ns1__GetJobUsageReport request;
    request.start = made<std::string>("20200101000000");
    request.stop = made<std::string>("20991231235959");
    ns1__GetJobUsageReportResponse answer;
    scheduling.call(&P::GetJobUsageReport, request, answer);
    for (auto one : answer.GetJobUsageReportResult->JobUsage) {
        tell("usage", "job", text(one->JobID) + "|" + text(one->Description) + "|" + status(one->Status) + "|" +
             utc(one->StartDateTime) + "|" + (one->DurationSeconds ? std::to_string(*one->DurationSeconds) : "") + "|" +
             std::to_string(*one->Agents));
    }
}

static void run_book_jobs() {
    ns1__GetRunBookJobs request;
    request.jobId = made(given("BOOK"));
    ns1__GetRunBookJobsResponse answer;
    scheduling.call(&P::GetRunBookJobs, request, answer);
    for (auto one : answer.GetRunBookJobsResult->Job) {
        tell("runbookjobs", "job", text(one->JobID) + "|" + text(one->Description) + "|" + status(one->Status->Type));
    }
}

static void membership() {
    auto team_name = given("TEAM"), agent_name = given("MEMBER");
    auto team = member(nullptr, &team_name, ns1__JobWhoType__Team);
    auto agent = member(nullptr, &agent_name, ns1__JobWhoType__Agent);
    ns1__ModifyAgentMembership put;
    put.membership = new ns1__AgentMembership();
    put.membership->Agent = agent;
    put.membership->AddTo = members(team);
    ns1__ModifyAgentMembershipResponse belongs;
    scheduling.call(&P::ModifyAgentMembership, put, belongs);
    for (auto one : belongs.ModifyAgentMembershipResult->MemberOf->JobWho) tell("membership", "memberof", text(one->Name));
    ns1__ModifyTeamMembership taken;
    taken.membership = new ns1__TeamMembership();
    taken.membership->Team = team;
    taken.membership->Remove = members(agent);
    ns1__ModifyTeamMembershipResponse left;
    scheduling.call(&P::ModifyTeamMembership, taken, left);
    tell("membership", "team", text(left.ModifyTeamMembershipResult->Team->Name));
    for (auto one : left.ModifyTeamMembershipResult->Members->JobWho) tell("membership", "member", text(one->Name));
}

static void remove_agent() {
    auto name = given("SPARE");
    ns1__RemoveAgent request;
    request.removal = new ns1__AgentRemoval();
    request.removal->Agent = member(nullptr, &name, ns1__JobWhoType__Agent);
    ns1__RemoveAgentResponse answer;
    scheduling.call(&P::RemoveAgent, request, answer);
    tell("remove", "name", text(answer.RemoveAgentResult->Agent->Name));
}

static void upload() {
    std::ifstream file(given("FILE"), std::ios::binary);
    std::vector<unsigned char> content((std::istreambuf_iterator<char>(file)), {});
    ns2__UploadResource request;
    request.filename = made<std::string>("file.bin");
    request.name = made(given("RESOURCE"));
    request.content = new xsd__base64Binary();
    request.content->__ptr = content.data();
    request.content->__size = int(content.size());
    ns2__UploadResourceResponse answer;
    resources.call(&R::UploadResource, request, answer);
    const auto &stored = *answer.UploadResourceResult;
    resource = text(stored.ID);
    tell("upload", "id", resource);
    tell("upload", "name", text(stored.Name));
    tell("upload", "size", std::to_string(*stored.Size));
    tell("upload", "sha256", text(stored.Sha256));
}

static void download() {
    auto when = new ns1__When();
    when->Immediate = made(true);
    ns1__ScheduleJob request;
    request.job = order(given("FETCHING"), when, {{"Resource", given("RESOURCE")}});
    ns1__ScheduleJobResponse answer;
    scheduling.call(&P::ScheduleJob, request, answer);
    std::string id = text(answer.ScheduleJobResult->JobID), now;
    for (int tries = 0; tries < 600; tries++) {
        std::this_thread::sleep_for(std::chrono::milliseconds(100));
        ns1__GetJob asked;
        asked.jobId = made(id);
        ns1__GetJobResponse found;
        scheduling.call(&P::GetJob, asked, found);
        now = status(found.GetJobResult->Status->Type);
        if (now != "Scheduled" && now != "Active") break;
    }
    tell("download", "id", id);
    tell("download", "status", now);
}

static void delete_resource() {
    ns2__DeleteResource request;
    request.guid = made(resource);
    ns2__DeleteResourceResponse answer;
    resources.call(&R::DeleteResource, request, answer);
    tell("delete", "id", text(answer.DeleteResourceResult->ID));
}

static void fault(const std::string &step, Scheduling &service, const std::string &id) {
    ns1__GetJob request;
    request.jobId = made(id);
    ns1__GetJobResponse answer;
    if (!service.tried(&P::GetJob, request, answer)) return;
    soap *context = service.proxy.soap;
    if (context->error >= 400 && context->error < 600) {
        // An error of the transport: gSOAP tells its number, which is the status of HTTP.
        tell(step, "refused", "error " + std::to_string(context->error));
        tell(step, "status", std::to_string(context->error));
        return;
    }
    const char *code = *soap_faultcode(context), *said = *soap_faultstring(context);
    tell(step, "code", code ? code : "");
    tell(step, "text", said ? said : "");
    SOAP_ENV__Detail *detail =
        context->fault->SOAP_ENV__Detail ? context->fault->SOAP_ENV__Detail : context->fault->detail;
    if (!detail || !detail->ns1__DispatcherFault_) throw std::runtime_error("no typed detail");
    tell(step, "Code", text(detail->ns1__DispatcherFault_->Code));
    tell(step, "Message", text(detail->ns1__DispatcherFault_->Message));
    tell(step, "RequestId", text(detail->ns1__DispatcherFault_->RequestId));
}

int main() {
    const std::vector<std::pair<std::string, std::function<void()>>> steps = {
        {"modules", modules},
        {"projects", projects},
        {"runbooks", runbooks},
        {"agents", [] { list_who("agents", made(true), nullptr); }},
        {"teams", [] { list_who("teams", nullptr, made(true)); }},
        {"inputs", inputs},
        {"outputs", outputs},
        {"schedule", schedule},
        {"get", get},
        {"page", page},
        {"abort", abort_job},
        {"results", results},
        {"teamsreport", teams_report},
        {"usage", usage},
        {"runbookjobs", run_book_jobs},
        {"membership", membership},
        {"remove", remove_agent},
        {"upload", upload},
        {"download", download},
        {"delete", delete_resource},
        {"wrong-password", [] {
            Scheduling stranger("SCHEDULING", "wrong");
            fault("wrong-password", stranger, given("UNKNOWN"));
        }},
        {"unknown-id", [] { fault("unknown-id", scheduling, given("UNKNOWN")); }},
        {"malformed", [] { fault("malformed", scheduling, "no guid"); }},
    };
    for (const auto &[name, step] : steps) {
        try {
            step();
        } catch (const std::exception &error) {
            tell(name, "failed", error.what());
        }
    }
}
