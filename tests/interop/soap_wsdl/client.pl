# Every operation through SOAP::WSDL, as its users write it: classes that wsdl2perl has made.
use strict;
use warnings;
use utf8;
use Encode qw(decode decode_utf8 encode_utf8);
use MIME::Base64;
use Time::HiRes qw(sleep time);
use SOAP::WSDL::Deserializer::SOM;
use SchedulingInterfaces::SchedulingService::SchedulingServiceSoap11;
use ResourceInterfaces::ResourceService::ResourceServiceSoap11;

my %FINAL = map { $_ => 1 } qw(Aborted Completed Failed FailedHalted Canceled CompletedWithErrors);

sub given { return decode_utf8($ENV{ $_[0] }) }

# Its transport, that of SOAP::Lite where it is there, asks for credentials when it is challenged.
our $password = given('PASSWORD');
{
    no warnings qw(once redefine);
    *SOAP::Transport::HTTP::Client::get_basic_credentials = sub { return (given('LOGIN'), $password) };
}

sub tell_of {
    my ($step, $key, $value) = @_;
    $value = defined $value ? "$value" : '';
    $value =~ s/\\/\\\\/g;
    $value =~ s/\n/\\n/g;
    $value =~ s/\r/\\r/g;
    $value =~ s/\t/\\t/g;
    print "$step\t$key\t$value\n";
}

sub scheduling {
    return SchedulingInterfaces::SchedulingService::SchedulingServiceSoap11->new(
        { proxy => given('SCHEDULING'), @_ });
}

my $scheduling = scheduling();
my $resources = ResourceInterfaces::ResourceService::ResourceServiceSoap11->new(
    { proxy => given('RESOURCES') });

# The answer, or the fault, which is false and an object; dies with it.
sub ask {
    my ($service, $operation, $arguments) = @_;
    my $answer = $service->$operation($arguments // {});
    die $answer unless $answer;
    my $getter = "get_${operation}Result";
    return $answer->$getter;
}

sub items {
    my ($found, $name) = @_;
    my $getter = "get_$name";
    return () unless $found && defined(my $value = $found->$getter);
    return ref $value eq 'ARRAY' ? @$value : ($value);
}

sub listing {
    my ($step, $found, $name) = @_;
    tell_of($step, 'item', join '|', $_->get_ID, $_->get_Type, $_->get_Name) for items($found, $name);
}

sub text { return defined $_[0] ? "$_[0]" : '' }

sub parameters {
    my ($step, $set) = @_;
    tell_of($step, 'set', join '|', $set->get_Type, $set->get_TaskContainerGuid,
        $set->get_TaskContainerName);
    for my $one (items($set->get_JobParameters, 'Parameter')) {
        my @texts = map { text($_) } $one->get_Value1, $one->get_Value2, $one->get_Value3, $one->get_Hint;
        tell_of($step, 'parameter', join '|', $one->get_Name, $one->get_Type, @texts);
    }
}

sub order {
    my ($module, $when, %values) = @_;
    my @given = map { { Name => $_, Value1 => $values{$_} } } sort keys %values;
    return {
        Description => given('DESCRIPTION'),
        When => $when,
        What => { JobWhat => [ { ID => $module, Type => 'Module' } ] },
        Who => { JobWho => [ { ID => given('AGENT'), Type => 'Agent' } ] },
        Parameters => { ParameterSet => [ {
            Type => 'Module',
            TaskContainerGuid => $module,
            JobParameters => { Parameter => \@given },
        } ] },
    };
}

# Its dateTime is a text; the server writes UTC.
sub utc { my $text = "$_[0]"; $text =~ s/Z$/+00:00/; return $text }

# Who wants the details of faults, too, takes the reader that comes with it for what its classes do
# not hold. A proxy of its own for each call: one keeps the password that was right once.
sub fault {
    my ($step, $job) = @_;
    my $service = scheduling(deserializer => SOAP::WSDL::Deserializer::SOM->new);
    my $answer = $service->GetJob({ jobId => $job });
    die 'no fault' unless $answer->fault;
    tell_of($step, 'status', $service->get_transport->code);
    tell_of($step, 'code', $answer->faultcode);
    tell_of($step, 'text', $answer->faultstring);
    my $detail = $answer->faultdetail->{DispatcherFault};
    tell_of($step, $_, $detail->{$_}) for qw(Code Message RequestId);
}

my ($job, $resource);
my @steps = (
    modules => sub { listing('modules', ask($scheduling, 'GetModules'), 'JobWhat') },
    projects => sub { listing('projects', ask($scheduling, 'GetProjects'), 'JobWhat') },
    runbooks => sub { listing('runbooks', ask($scheduling, 'GetRunBooks'), 'JobWhat') },
    agents => sub { listing('agents', ask($scheduling, 'GetWho', { agents => 'true' }), 'JobWho') },
    teams => sub { listing('teams', ask($scheduling, 'GetWho', { teams => 'true' }), 'JobWho') },
    inputs => sub {
        my $asked = { whatType => 'Module', whatId => given('MODULE') };
        parameters('inputs', ask($scheduling, 'GetInputParameters', $asked));
    },
    outputs => sub {
        my $asked = { whatType => 'Module', whatId => given('MODULE') };
        parameters('outputs', ask($scheduling, 'GetOutputParameters', $asked));
    },
    schedule => sub {
        my $when = { ScheduledDateTime => given('START'), Immediate => 'false', IsLocalTime => 'false' };
        my $wanted = order(
            given('MODULE'), $when,
            Title => given('TITLE'), Size => 'L', Note => given('NOTE'), Empty => '',
            Secret => given('SECRET'),
        );
        my $made = ask($scheduling, 'ScheduleJob', { job => $wanted });
        $job = text($made->get_JobID);
        tell_of('schedule', 'id', $job);
        tell_of('schedule', 'status', $made->get_Status->get_Type);
        tell_of('schedule', 'invoker', $made->get_Status->get_JobInvoker);
    },
    get => sub {
        my $found = ask($scheduling, 'GetJob', { jobId => $job });
        tell_of('get', 'description', $found->get_Description);
        tell_of('get', 'start', utc($found->get_When->get_ScheduledDateTime));
        tell_of('get', 'status', $found->get_Status->get_Type);
        tell_of('get', 'immediate', $found->get_When->get_Immediate ? 'true' : 'false');
        for my $one (items($found->get_What, 'JobWhat')) {
            tell_of('get', 'what', join '|', $one->get_ID, $one->get_Type, $one->get_Name);
        }
        for my $one (items($found->get_Who, 'JobWho')) {
            tell_of('get', 'who', join '|', $one->get_ID, $one->get_Type, $one->get_Name);
        }
        my ($set) = items($found->get_Parameters, 'ParameterSet');
        for my $one (items($set->get_JobParameters, 'Parameter')) {
            tell_of('get', 'parameter', join '|', $one->get_Name, $one->get_Type, text($one->get_Value1));
        }
    },
    page => sub {
        for my $number (1, 2) {
            my $asked = { stage => 'Scheduled', page => $number, pageSize => 2 };
            my $page = ask($scheduling, 'GetJobs', $asked);
            tell_of('page', 'current', $page->get_CurrentPage);
            tell_of('page', 'pages', $page->get_PageCount);
            my $key = $number == 1 ? 'first' : 'second';
            tell_of('page', $key, $_->get_JobID) for items($page->get_Items, 'Job');
        }
    },
    abort => sub {
        my $status = ask($scheduling, 'AbortJob', { jobId => $job, status => { Type => 'Aborting' } });
        tell_of('abort', 'id', $job);
        tell_of('abort', 'status', $status->get_Type);
    },
    results => sub {
        my $asked = { jobId => given('FINISHED'), includeOverview => 'true', includeDetailed => 'true' };
        my $found = ask($scheduling, 'ExportJobResults', $asked);
        tell_of('results', 'text', decode('UTF-16LE', decode_base64(text($found->get_Xml))));
    },
    teamsreport => sub {
        for my $team (items(ask($scheduling, 'GetTeamsReport'), 'TeamReport')) {
            tell_of('teamsreport', 'team', join '|', $team->get_ID, $team->get_Name);
            for my $agent (items($team->get_Agents, 'TeamAgent')) {
                my $online = $agent->get_Online ? 'true' : 'false';
                tell_of('teamsreport', 'agent', join '|', $team->get_Name, $agent->get_Name, $online);
            }
        }
    },
    usage => sub {
        my $asked = { start => '20200101000000', stop => '20991231235959' };
        for my $one (items(ask($scheduling, 'GetJobUsageReport', $asked), 'JobUsage')) {
            my @told = ($one->get_JobID, $one->get_Description, $one->get_Status);
            push @told, utc($one->get_StartDateTime), text($one->get_DurationSeconds), $one->get_Agents;
            tell_of('usage', 'job', join '|', @told);
        }
    },
    runbookjobs => sub {
        for my $one (items(ask($scheduling, 'GetRunBookJobs', { jobId => given('BOOK') }), 'Job')) {
            tell_of('runbookjobs', 'job', join '|', $one->get_JobID, $one->get_Description,
                $one->get_Status->get_Type);
        }
    },
    membership => sub {
        my $team = { Name => given('TEAM'), Type => 'Team' };
        my $agent = { Name => given('MEMBER'), Type => 'Agent' };
        my $put = ask($scheduling, 'ModifyAgentMembership',
            { membership => { Agent => $agent, AddTo => { JobWho => [$team] } } });
        tell_of('membership', 'memberof', $_->get_Name) for items($put->get_MemberOf, 'JobWho');
        my $taken = ask($scheduling, 'ModifyTeamMembership',
            { membership => { Team => $team, Remove => { JobWho => [$agent] } } });
        tell_of('membership', 'team', $taken->get_Team->get_Name);
        tell_of('membership', 'member', $_->get_Name) for items($taken->get_Members, 'JobWho');
    },
    remove => sub {
        my $agent = { Name => given('SPARE'), Type => 'Agent' };
        my $gone = ask($scheduling, 'RemoveAgent', { removal => { Agent => $agent } });
        tell_of('remove', 'name', $gone->get_Agent->get_Name);
    },
    upload => sub {
        open my $file, '<:raw', given('FILE') or die $!;
        local $/;
        my $stored = ask($resources, 'UploadResource', {
            filename => 'file.bin', name => given('RESOURCE'), content => encode_base64(<$file>, ''),
        });
        $resource = text($stored->get_ID);
        tell_of('upload', 'id', $resource);
        tell_of('upload', 'name', $stored->get_Name);
        tell_of('upload', 'size', $stored->get_Size);
        tell_of('upload', 'sha256', $stored->get_Sha256);
    },
    download => sub {
        my $wanted = order(given('FETCHING'), { Immediate => 'true' }, Resource => given('RESOURCE'));
        my $id = text(ask($scheduling, 'ScheduleJob', { job => $wanted })->get_JobID);
        my ($end, $status) = (time + 60, '');
        while (!$FINAL{$status} && time < $end) {
            sleep 0.1;
            $status = text(ask($scheduling, 'GetJob', { jobId => $id })->get_Status->get_Type);
        }
        tell_of('download', 'id', $id);
        tell_of('download', 'status', $status);
    },
    delete => sub {
        tell_of('delete', 'id', ask($resources, 'DeleteResource', { guid => $resource })->get_ID);
    },
    'wrong-password' => sub {
        local $password = 'wrong';
        fault('wrong-password', given('UNKNOWN'));
    },
    'unknown-id' => sub { fault('unknown-id', given('UNKNOWN')) },
    malformed => sub { fault('malformed', 'no guid') },
);

while (my ($name, $step) = splice @steps, 0, 2) {
    next if eval { $step->(); 1 };
    my $error = $@;
    $error = 'fault: ' . $error->get_faultstring if ref $error && $error->can('get_faultstring');
    tell_of($name, 'failed', $error);
}
