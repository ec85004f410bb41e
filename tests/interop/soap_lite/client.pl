# Every operation through SOAP::Lite, as its users write it: proxy and namespace by hand, all else as
# it does it by itself (types by guess, arguments in no namespace, an action that it makes up). Its
# reader of WSDL knows no document/literal, so nobody uses it for such services.
use strict;
use warnings;
use utf8;
use Encode qw(decode decode_utf8);
use MIME::Base64;
use Time::HiRes qw(sleep time);
use POSIX qw(strftime);
use SOAP::Lite;

my $NAMESPACE = 'urn:dispatcher-gateway:scheduling:1';
my $RESOURCES = 'urn:dispatcher-gateway:resource:1';
my %FINAL = map { $_ => 1 } qw(Aborted Completed Failed FailedHalted Canceled CompletedWithErrors);

sub given { return decode_utf8($ENV{ $_[0] }) }

sub tell_of {
    my ($step, $key, $value) = @_;
    $value = '' unless defined $value;
    $value =~ s/\\/\\\\/g;
    $value =~ s/\n/\\n/g;
    $value =~ s/\r/\\r/g;
    $value =~ s/\t/\\t/g;
    print "$step\t$key\t$value\n";
}

{
    package Refused;
    sub new { my ($class, %self) = @_; return bless {%self}, $class }
}

# A fault is thrown as the stack's own object, anything else as the status of HTTP.
sub service {
    my ($address, $namespace, $password) = @_;
    my $client = SOAP::Lite->soapversion(given('VERSION'))->proxy($address, timeout => 120)
        ->ns($namespace)->on_fault(sub {
            my ($soap, $answer) = @_;
            die $answer if ref $answer;
            die Refused->new(status => $soap->transport->code, text => $soap->transport->status);
        });
    my $login = encode_base64(given('LOGIN') . ":$password", '');
    $client->transport->http_request->header(Authorization => "Basic $login");
    return $client;
}

# A text that may not be ASCII must be said to be a text, or it is taken for bytes: sent in Base64.
sub text { return SOAP::Data->type(string => given($_[0])) }

# A tree of names and values; a list repeats its name.
sub tree {
    my ($name, $value) = @_;
    return map { tree($name, $_) } @$value if ref $value eq 'ARRAY';
    if (ref $value eq 'HASH') {
        my @members = map { tree($_, $value->{$_}) } sort keys %$value;
        return SOAP::Data->name($name => \SOAP::Data->value(@members));
    }
    return ref $value ? $value->name($name) : SOAP::Data->name($name => $value);
}

sub ask {
    my ($client, $operation, %arguments) = @_;
    return $client->call($operation => map { tree($_, $arguments{$_}) } sort keys %arguments)->result;
}

sub items {
    my ($found, $name) = @_;
    return () unless ref $found && defined $found->{$name};
    return ref $found->{$name} eq 'ARRAY' ? @{ $found->{$name} } : ($found->{$name});
}

my $scheduling = service(given('SCHEDULING'), $NAMESPACE, given('PASSWORD'));
my $resources = service(given('RESOURCES'), $RESOURCES, given('PASSWORD'));

sub listing {
    my ($step, $found, $name) = @_;
    tell_of($step, 'item', "$_->{ID}|$_->{Type}|$_->{Name}") for items($found, $name);
}

sub parameters {
    my ($step, $set) = @_;
    tell_of($step, 'set', "$set->{Type}|$set->{TaskContainerGuid}|$set->{TaskContainerName}");
    for my $one (items($set->{JobParameters}, 'Parameter')) {
        my @values = map { $_ // '' } @$one{qw(Value1 Value2 Value3 Hint)};
        tell_of($step, 'parameter', join '|', $one->{Name}, $one->{Type}, @values);
    }
}

sub order {
    my ($module, $when, %values) = @_;
    my @given = map { { Name => $_, Value1 => $values{$_} } } sort keys %values;
    return {
        Description => text('DESCRIPTION'),
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

# Dates are texts here: the server writes them in UTC.
sub utc { my ($text) = @_; $text =~ s/Z$/+00:00/; return $text }

# Its accessors know the fault of SOAP 1.1 only; in that of 1.2 one looks by paths.
sub fault {
    my ($step, $client, $job) = @_;
    eval { ask($client, 'GetJob', jobId => $job); 1 } and return;
    my $answer = $@;
    die $answer unless ref $answer && $answer->isa('SOAP::SOM');
    my $soap12 = given('VERSION') eq '1.2';
    tell_of($step, 'code', $soap12 ? $answer->valueof('//Fault/Code/Value') : $answer->faultcode);
    tell_of($step, 'text', $soap12 ? $answer->valueof('//Fault/Reason/Text') : $answer->faultstring);
    my $detail = $soap12 ? $answer->valueof('//Fault/Detail') : $answer->faultdetail;
    tell_of($step, $_, $detail->{DispatcherFault}{$_}) for qw(Code Message RequestId);
}

my ($job, $resource);
my @steps = (
    modules => sub { listing('modules', ask($scheduling, 'GetModules'), 'JobWhat') },
    projects => sub { listing('projects', ask($scheduling, 'GetProjects'), 'JobWhat') },
    runbooks => sub { listing('runbooks', ask($scheduling, 'GetRunBooks'), 'JobWhat') },
    agents => sub { listing('agents', ask($scheduling, 'GetWho', agents => 'true'), 'JobWho') },
    teams => sub { listing('teams', ask($scheduling, 'GetWho', teams => 'true'), 'JobWho') },
    inputs => sub {
        my %asked = (whatType => 'Module', whatId => given('MODULE'));
        parameters('inputs', ask($scheduling, 'GetInputParameters', %asked));
    },
    outputs => sub {
        my %asked = (whatType => 'Module', whatId => given('MODULE'));
        parameters('outputs', ask($scheduling, 'GetOutputParameters', %asked));
    },
    schedule => sub {
        my $when = { ScheduledDateTime => given('START'), Immediate => 'false', IsLocalTime => 'false' };
        my $wanted = order(
            given('MODULE'), $when,
            Title => text('TITLE'), Size => 'L', Note => text('NOTE'), Empty => '',
            Secret => text('SECRET'),
        );
        my $made = ask($scheduling, 'ScheduleJob', job => $wanted);
        $job = $made->{JobID};
        tell_of('schedule', 'id', $job);
        tell_of('schedule', 'status', $made->{Status}{Type});
        tell_of('schedule', 'invoker', $made->{Status}{JobInvoker});
    },
    get => sub {
        my $found = ask($scheduling, 'GetJob', jobId => $job);
        tell_of('get', 'description', $found->{Description});
        tell_of('get', 'start', utc($found->{When}{ScheduledDateTime}));
        tell_of('get', 'status', $found->{Status}{Type});
        tell_of('get', 'immediate', $found->{When}{Immediate});
        tell_of('get', 'what', "$_->{ID}|$_->{Type}|$_->{Name}") for items($found->{What}, 'JobWhat');
        tell_of('get', 'who', "$_->{ID}|$_->{Type}|$_->{Name}") for items($found->{Who}, 'JobWho');
        my ($set) = items($found->{Parameters}, 'ParameterSet');
        for my $one (items($set->{JobParameters}, 'Parameter')) {
            tell_of('get', 'parameter', join '|', @$one{qw(Name Type)}, $one->{Value1} // '');
        }
    },
    page => sub {
        for my $number (1, 2) {
            my %asked = (stage => 'Scheduled', page => $number, pageSize => 2);
            my $page = ask($scheduling, 'GetJobs', %asked);
            tell_of('page', 'current', $page->{CurrentPage});
            tell_of('page', 'pages', $page->{PageCount});
            my $key = $number == 1 ? 'first' : 'second';
            tell_of('page', $key, $_->{JobID}) for items($page->{Items}, 'Job');
        }
    },
    abort => sub {
        my $status = ask($scheduling, 'AbortJob', jobId => $job, status => { Type => 'Aborting' });
        tell_of('abort', 'id', $job);
        tell_of('abort', 'status', $status->{Type});
    },
    results => sub {
        my %asked = (includeOverview => 'true', includeDetailed => 'true');
        my $found = ask($scheduling, 'ExportJobResults', jobId => given('FINISHED'), %asked);
        tell_of('results', 'text', decode('UTF-16LE', decode_base64($found->{Xml})));
    },
    teamsreport => sub {
        for my $team (items(ask($scheduling, 'GetTeamsReport'), 'TeamReport')) {
            tell_of('teamsreport', 'team', "$team->{ID}|$team->{Name}");
            tell_of('teamsreport', 'agent', "$team->{Name}|$_->{Name}|$_->{Online}")
                for items($team->{Agents}, 'TeamAgent');
        }
    },
    usage => sub {
        my %asked = (start => '20200101000000', stop => '20991231235959');
        for my $one (items(ask($scheduling, 'GetJobUsageReport', %asked), 'JobUsage')) {
            my @told = (@$one{qw(JobID Description Status)}, utc($one->{StartDateTime}));
            push @told, map { $_ // '' } @$one{qw(DurationSeconds Agents)};
            tell_of('usage', 'job', join '|', @told);
        }
    },
    runbookjobs => sub {
        for my $one (items(ask($scheduling, 'GetRunBookJobs', jobId => given('BOOK')), 'Job')) {
            tell_of('runbookjobs', 'job', "$one->{JobID}|$one->{Description}|$one->{Status}{Type}");
        }
    },
    membership => sub {
        my $team = { Name => text('TEAM'), Type => 'Team' };
        my $agent = { Name => text('MEMBER'), Type => 'Agent' };
        my %put = (membership => { Agent => $agent, AddTo => { JobWho => [$team] } });
        my $put = ask($scheduling, 'ModifyAgentMembership', %put);
        tell_of('membership', 'memberof', $_->{Name}) for items($put->{MemberOf}, 'JobWho');
        my %taken = (membership => { Team => $team, Remove => { JobWho => [$agent] } });
        my $taken = ask($scheduling, 'ModifyTeamMembership', %taken);
        tell_of('membership', 'team', $taken->{Team}{Name});
        tell_of('membership', 'member', $_->{Name}) for items($taken->{Members}, 'JobWho');
    },
    remove => sub {
        my $agent = { Name => given('SPARE'), Type => 'Agent' };
        my $gone = ask($scheduling, 'RemoveAgent', removal => { Agent => $agent });
        tell_of('remove', 'name', $gone->{Agent}{Name});
    },
    upload => sub {
        open my $file, '<:raw', given('FILE') or die $!;
        local $/;
        my $stored = ask(
            $resources, 'UploadResource',
            filename => 'file.bin', name => text('RESOURCE'), content => <$file>,
        );
        $resource = $stored->{ID};
        tell_of('upload', 'id', $resource);
        tell_of('upload', 'name', $stored->{Name});
        tell_of('upload', 'size', $stored->{Size});
        tell_of('upload', 'sha256', $stored->{Sha256});
    },
    download => sub {
        my $wanted = order(given('FETCHING'), { Immediate => 'true' }, Resource => text('RESOURCE'));
        my $id = ask($scheduling, 'ScheduleJob', job => $wanted)->{JobID};
        my ($end, $status) = (time + 60, '');
        while (!$FINAL{$status} && time < $end) {
            sleep 0.1;
            $status = ask($scheduling, 'GetJob', jobId => $id)->{Status}{Type};
        }
        tell_of('download', 'id', $id);
        tell_of('download', 'status', $status);
    },
    delete => sub { tell_of('delete', 'id', ask($resources, 'DeleteResource', guid => $resource)->{ID}) },
    'wrong-password' => sub {
        fault('wrong-password', service(given('SCHEDULING'), $NAMESPACE, 'wrong'), given('UNKNOWN'));
    },
    'unknown-id' => sub { fault('unknown-id', $scheduling, given('UNKNOWN')) },
    malformed => sub { fault('malformed', $scheduling, 'no guid') },
);

while (my ($name, $step) = splice @steps, 0, 2) {
    next if eval { $step->(); 1 };
    my $error = $@;
    if (ref $error && $error->isa('SOAP::SOM')) { $error = 'fault: ' . $error->faultstring }
    elsif (ref $error) { $error = "refused: $error->{text}" }
    tell_of($name, 'failed', $error);
}
