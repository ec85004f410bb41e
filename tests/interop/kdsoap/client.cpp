// Every operation through KDSoap, as its users write it: classes that kdwsdl2cpp has made, here with
// the calls that block.
#include <QCoreApplication>
#include <QEventLoop>
#include <QFile>
#include <QTextCodec>
#include <QThread>
#include <functional>
#include <iostream>
#include <stdexcept>
#include <vector>

#include <KDSoapAuthentication.h>
#include <KDSoapMessage.h>

#include "wsdl_resource.h"
#include "wsdl_scheduling.h"

using namespace scheduling;
using Values = std::vector<std::pair<const char *, QString>>;

static QString given(const char *name) { return QString::fromUtf8(qgetenv(name)); }

static void tell(const char *step, const QString &key, const QString &value) {
    QString told = value;
    told.replace("\\", "\\\\").replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t");
    std::cout << step << '\t' << key.toStdString() << '\t' << told.toStdString() << std::endl;
}

template <class T> static void prepare(T &service, const char *address, const QString &password) {
    KDSoapAuthentication login;
    login.setUser(given("LOGIN"));
    login.setPassword(password);
    service.clientInterface()->setAuthentication(login);
    service.clientInterface()->setTimeout(120000);
    service.setEndPoint(given(address));
    service.setSoapVersion(given("VERSION") == "1.2" ? KDSoapClientInterface::SOAP1_2 : KDSoapClientInterface::SOAP1_1);
}

static SchedulingService *service;
static resource::ResourceService *resources;
static QString job, stored;

// What a call has answered, or the error of the service as an exception.
template <class S, class T> static T checked(S *called, const T &answer) {
    if (!called->lastError().isEmpty()) throw std::runtime_error(called->lastError().toStdString());
    return answer;
}

// Enumerations know their texts only while they are written.
template <class T> static QString word(const T &value) { return value.serialize("x").value().toString(); }

static QString shown(const TNS__JobWhat &one) { return QString(one.iD()) + "|" + word(one.type()) + "|" + one.name(); }
static QString shown(const TNS__JobWho &one) { return one.iD() + "|" + word(one.type()) + "|" + one.name(); }

static QString utc(const KDDateTime &moment) {
    return moment.toUTC().toString("yyyy-MM-ddTHH:mm:ss.zzz") + "+00:00";
}

static void parameters(const char *step, const TNS__ParameterSet &set) {
    tell(step, "set", word(set.type()) + "|" + QString(set.taskContainerGuid()) + "|" + set.taskContainerName());
    for (const auto &one : set.jobParameters().parameter()) {
        QStringList parts{one.name(), word(one.type()), one.value1(), one.value2(), one.value3(), one.hint()};
        tell(step, "parameter", parts.join("|"));
    }
}

static TNS__JobWho member(const QString &id, const QString &name, TNS__JobWhoType::Type type) {
    TNS__JobWho one;
    if (!id.isEmpty()) one.setID(id);
    if (!name.isEmpty()) one.setName(name);
    one.setType(type);
    return one;
}

static TNS__ArrayOfJobWho members(const TNS__JobWho &one) {
    TNS__ArrayOfJobWho list;
    list.setJobWho({one});
    return list;
}

static TNS__Job order(const QString &module, const TNS__When &when, const Values &values) {
    QList<TNS__Parameter> list;
    for (const auto &[name, value] : values) {
        TNS__Parameter one;
        one.setName(name);
        one.setValue1(value);
        list << one;
    }
    TNS__ArrayOfParameter all;
    all.setParameter(list);
    TNS__ParameterSet set;
    set.setType(TNS__JobWhatType::Module);
    set.setTaskContainerGuid(module);
    set.setJobParameters(all);
    TNS__ArrayOfParameterSet sets;
    sets.setParameterSet({set});
    TNS__JobWhat one;
    one.setID(module);
    one.setType(TNS__JobWhatType::Module);
    TNS__ArrayOfJobWhat what;
    what.setJobWhat({one});
    TNS__Job wanted;
    wanted.setDescription(given("DESCRIPTION"));
    wanted.setWhen(when);
    wanted.setWhat(what);
    wanted.setWho(members(member(given("AGENT"), {}, TNS__JobWhoType::Agent)));
    wanted.setParameters(sets);
    return wanted;
}

static TNS__Job scheduled(const TNS__Job &wanted) {
    TNS__ScheduleJob request;
    request.setJob(wanted);
    return checked(service, service->scheduleJob(request)).scheduleJobResult();
}

static TNS__Job found(const QString &id) {
    TNS__GetJob request;
    request.setJobId(id);
    return checked(service, service->getJob(request)).getJobResult();
}

static void schedule() {
    TNS__When when;
    when.setScheduledDateTime(KDDateTime::fromDateString(given("START")));
    when.setImmediate(false);
    when.setIsLocalTime(false);
    const TNS__Job made = scheduled(order(given("MODULE"), when,
        {{"Title", given("TITLE")}, {"Size", "L"}, {"Note", given("NOTE")}, {"Empty", QString("")}, {"Secret", given("SECRET")}}));
    job = made.jobID();
    tell("schedule", "id", job);
    tell("schedule", "status", word(made.status().type()));
    tell("schedule", "invoker", made.status().jobInvoker());
}

static void get() {
    const TNS__Job one = found(job);
    tell("get", "description", one.description());
    tell("get", "start", utc(one.when().scheduledDateTime()));
    tell("get", "status", word(one.status().type()));
    tell("get", "immediate", one.when().immediate() ? "true" : "false");
    for (const auto &what : one.what().jobWhat()) tell("get", "what", shown(what));
    for (const auto &who : one.who().jobWho()) tell("get", "who", shown(who));
    for (const auto &value : one.parameters().parameterSet().first().jobParameters().parameter())
        tell("get", "parameter", value.name() + "|" + word(value.type()) + "|" + value.value1());
}

static void page() {
    for (int number = 1; number <= 2; number++) {
        TNS__GetJobs request;
        request.setStage("Scheduled");
        request.setPage(number);
        request.setPageSize(2);
        const auto one = checked(service, service->getJobs(request)).getJobsResult();
        tell("page", "current", QString::number(one.currentPage()));
        tell("page", "pages", QString::number(one.pageCount()));
        for (const auto &each : one.items().job()) tell("page", number == 1 ? "first" : "second", each.jobID());
    }
}

static void abortJob() {
    TNS__JobStatus wanted;
    wanted.setType(TNS__JobStatusType::Aborting);
    TNS__AbortJob request;
    request.setJobId(job);
    request.setStatus(wanted);
    const auto status = checked(service, service->abortJob(request)).abortJobResult();
    tell("abort", "id", job);
    tell("abort", "status", word(status.type()));
}

static void results() {
    TNS__ExportJobResults request;
    request.setJobId(given("FINISHED"));
    request.setIncludeOverview(true);
    request.setIncludeDetailed(true);
    const QByteArray document = checked(service, service->exportJobResults(request)).exportJobResultsResult().xml();
    tell("results", "text", QTextCodec::codecForName("UTF-16LE")->toUnicode(document));
}

static void teamsReport() {
    for (const auto &team : checked(service, service->getTeamsReport()).getTeamsReportResult().teamReport()) {
        tell("teamsreport", "team", QString(team.iD()) + "|" + team.name());
        for (const auto &agent : team.agents().teamAgent())
            tell("teamsreport", "agent", team.name() + "|" + agent.name() + "|" + (agent.online() ? "true" : "false"));
    }
}

static void usage() {
    TNS__GetJobUsageReport request;
    request.setStart(QString("20200101000000"));
    request.setStop(QString("20991231235959"));
    for (const auto &one : checked(service, service->getJobUsageReport(request)).getJobUsageReportResult().jobUsage()) {
        QStringList parts{one.jobID(), one.description(), word(one.status()), utc(one.startDateTime()),
            one.hasValueForDurationSeconds() ? QString::number(one.durationSeconds()) : QString(), QString::number(one.agents())};
        tell("usage", "job", parts.join("|"));
    }
}

static void runBookJobs() {
    TNS__GetRunBookJobs request;
    request.setJobId(given("BOOK"));
    for (const auto &one : checked(service, service->getRunBookJobs(request)).getRunBookJobsResult().job())
        tell("runbookjobs", "job", QString(one.jobID()) + "|" + one.description() + "|" + word(one.status().type()));
}

static void membership() {
    const auto team = member({}, given("TEAM"), TNS__JobWhoType::Team);
    const auto agent = member({}, given("MEMBER"), TNS__JobWhoType::Agent);
    TNS__AgentMembership put;
    put.setAgent(agent);
    put.setAddTo(members(team));
    TNS__ModifyAgentMembership first;
    first.setMembership(put);
    const auto belongs = checked(service, service->modifyAgentMembership(first)).modifyAgentMembershipResult();
    for (const auto &one : belongs.memberOf().jobWho()) tell("membership", "memberof", one.name());
    TNS__TeamMembership taken;
    taken.setTeam(team);
    taken.setRemove(members(agent));
    TNS__ModifyTeamMembership second;
    second.setMembership(taken);
    const auto left = checked(service, service->modifyTeamMembership(second)).modifyTeamMembershipResult();
    tell("membership", "team", left.team().name());
    for (const auto &one : left.members().jobWho()) tell("membership", "member", one.name());
}

static void removeAgent() {
    TNS__AgentRemoval removal;
    removal.setAgent(member({}, given("SPARE"), TNS__JobWhoType::Agent));
    TNS__RemoveAgent request;
    request.setRemoval(removal);
    tell("remove", "name", checked(service, service->removeAgent(request)).removeAgentResult().agent().name());
}

static void upload() {
    QFile file(given("FILE"));
    if (!file.open(QIODevice::ReadOnly)) throw std::runtime_error("no file");
    resource::TNS__UploadResource request;
    request.setFilename("file.bin");
    request.setName(given("RESOURCE"));
    request.setContent(file.readAll());
    const auto one = checked(resources, resources->uploadResource(request)).uploadResourceResult();
    stored = one.iD();
    tell("upload", "id", stored);
    tell("upload", "name", one.name());
    tell("upload", "size", QString::number(one.size()));
    tell("upload", "sha256", one.sha256());
}

static void download() {
    TNS__When when;
    when.setImmediate(true);
    const QString id = scheduled(order(given("FETCHING"), when, {{"Resource", given("RESOURCE")}})).jobID();
    QString status;
    for (int tries = 0; tries < 600; tries++) {
        QThread::msleep(100);
        status = word(found(id).status().type());
        if (status != "Scheduled" && status != "Active") break;
    }
    tell("download", "id", id);
    tell("download", "status", status);
}

static void deleteResource() {
    resource::TNS__DeleteResource request;
    request.setGuid(stored);
    tell("delete", "id", checked(resources, resources->deleteResource(request)).deleteResourceResult().iD());
}

// The jobs of calls that do not block have the whole answer, the detail of a fault included.
static void fault(const char *step, SchedulingService *called, const QString &id) {
    TNS__GetJob request;
    request.setJobId(id);
    GetJobJob asked(called);
    asked.setParameters(request);
    QEventLoop loop;
    QObject::connect(&asked, &KDSoapJob::finished, &loop, &QEventLoop::quit);
    asked.start();
    loop.exec();
    if (!asked.isFault()) return;
    const KDSoapMessage told = asked.reply();
    const bool soap12 = given("VERSION") == "1.2";
    const auto values = told.childValues();
    const auto detail = values.child(soap12 ? "Detail" : "detail").childValues().child("DispatcherFault");
    if (detail.isNull()) {
        tell(step, "refused", asked.faultAsString());
        return;
    }
    TNS__DispatcherFault typed;
    typed.deserialize(detail);
    tell(step, "code", soap12 ? values.child("Code").childValues().child("Value").value().toString()
                              : values.child("faultcode").value().toString());
    tell(step, "text", soap12 ? values.child("Reason").childValues().child("Text").value().toString()
                              : values.child("faultstring").value().toString());
    tell(step, "Code", typed.code());
    tell(step, "Message", typed.message());
    tell(step, "RequestId", typed.requestId());
}

int main(int argc, char **argv) {
    QCoreApplication application(argc, argv);
    SchedulingService own, stranger;
    resource::ResourceService files;
    service = &own;
    resources = &files;
    prepare(own, "SCHEDULING", given("PASSWORD"));
    prepare(files, "RESOURCES", given("PASSWORD"));
    prepare(stranger, "SCHEDULING", "wrong");
    const auto listing = [](const char *step, const QList<TNS__JobWhat> &list) {
        for (const auto &one : list) tell(step, "item", shown(one));
    };
    const auto who = [](const char *step, bool agents) {
        TNS__GetWho request;
        if (agents) request.setAgents(true);
        else request.setTeams(true);
        for (const auto &one : checked(service, service->getWho(request)).getWhoResult().jobWho()) tell(step, "item", shown(one));
    };
    const std::vector<std::pair<const char *, std::function<void()>>> steps = {
        {"modules", [&] { listing("modules", checked(service, service->getModules()).getModulesResult().jobWhat()); }},
        {"projects", [&] { listing("projects", checked(service, service->getProjects()).getProjectsResult().jobWhat()); }},
        {"runbooks", [&] { listing("runbooks", checked(service, service->getRunBooks()).getRunBooksResult().jobWhat()); }},
        {"agents", [&] { who("agents", true); }},
        {"teams", [&] { who("teams", false); }},
        {"inputs", [] {
            TNS__GetInputParameters request;
            request.setWhatType("Module");
            request.setWhatId(given("MODULE"));
            parameters("inputs", checked(service, service->getInputParameters(request)).getInputParametersResult());
        }},
        {"outputs", [] {
            TNS__GetOutputParameters request;
            request.setWhatType("Module");
            request.setWhatId(given("MODULE"));
            parameters("outputs", checked(service, service->getOutputParameters(request)).getOutputParametersResult());
        }},
        {"schedule", schedule}, {"get", get}, {"page", page}, {"abort", abortJob}, {"results", results},
        {"teamsreport", teamsReport}, {"usage", usage}, {"runbookjobs", runBookJobs},
        {"membership", membership}, {"remove", removeAgent}, {"upload", upload},
        {"download", download}, {"delete", deleteResource},
        {"wrong-password", [&] { fault("wrong-password", &stranger, given("UNKNOWN")); }},
        {"unknown-id", [] { fault("unknown-id", service, given("UNKNOWN")); }},
        {"malformed", [] { fault("malformed", service, "no guid"); }},
    };
    for (const auto &[name, step] : steps) {
        try {
            step();
        } catch (const std::exception &error) {
            tell(name, "failed", error.what());
        }
    }
}
